//! Two clusters with our kinds, Flux beside both, and a repository.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::argo::Argo;
use super::flux::Flux;
use super::objects::{AGENCY, Object, example, file, mailbox, present, read};
use super::operator::{self, State};
use super::source::Source;
use crate::api_only::{Pair, Processors};
use crate::artifact;
use crate::cargo::repository;
use crate::command;
use crate::network::Site;
use crate::service::{self, Kubectl};

/// The folders of the repository, each a Kustomization of its own: a mailbox needs its agency's namespace.
pub const AGENCIES: &str = "agencies";
pub const MAILBOXES: &str = "mailboxes";

/// Whose mailboxes stay.
const PEOPLE: [&str; 2] = ["ali-ahmad", "mei-ling"];

/// Where Flux applies from the beginning, and where each check begins with nothing.
pub const HOME: Site = Site::Pdsa1;
pub const OTHER: Site = Site::Pdsa2;

/// A controller at work on a busy machine; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(120);
const PERIOD: Duration = Duration::from_millis(250);

pub struct Field {
    pub kubectl: Kubectl,
    pub source: Source,
    pub argo: Argo,
    flux: [Flux; 2],
    pair: Pair,
}

impl Field {
    pub async fn start() -> anyhow::Result<Field> {
        let programs = artifact::flux()?;
        let argo = artifact::argo()?;
        let binaries = service::binaries(&repository())?;
        let pair = Pair::start(Processors::All).await?;
        let folder = pair.folder();
        let kubectl = Kubectl::new(
            &artifact::kubernetes()?,
            &binaries.join("kubectl-govuc"),
            &pair.kubeconfig(),
        );
        for site in Site::DATA_CENTRES {
            install(&kubectl, &binaries.join("govuc"), site).await?;
        }
        let below = folder.path().join("gitops");
        fs::create_dir_all(&below).with_context(|| below.display().to_string())?;
        let source = Source::start(&below, &programs)?;
        source.commit(
            &format!("{AGENCIES}/{AGENCY}.yaml"),
            Some(&example("agencies/kkr.yaml")?),
        )?;
        let start = |site: Site| {
            let kubeconfig = folder.site(site).kubeconfig("admin");
            let (kubectl, programs, url) = (&kubectl, &programs, &source.url);
            let own = below.join(site.name());
            async move { Flux::start(site, kubectl, &kubeconfig, &own, programs, url).await }
        };
        let flux = [start(HOME).await?, start(OTHER).await?];
        Ok(Field {
            argo: Argo::new(argo, pair.kubeconfig()),
            kubectl,
            source,
            flux,
            pair,
        })
    }

    pub fn stop(self) -> anyhow::Result<()> {
        drop(self.flux);
        drop(self.source);
        self.pair.stop()
    }

    pub fn flux(&self, site: Site) -> &Flux {
        let [home, other] = &self.flux;
        if site == HOME { home } else { other }
    }

    /// An agency and two mailboxes at the first site, as when everything has come to rest.
    pub async fn populate(&self) -> anyhow::Result<()> {
        let mut revision = String::new();
        for name in PEOPLE {
            let text = example(&format!("mailboxes/{name}.yaml"))?;
            revision = self.source.commit(&file(name), Some(&text))?;
        }
        self.flux(HOME).fetch(&revision).await?;
        self.flux(HOME).follow(AGENCIES, &[])?;
        let agency = Object::Agency(AGENCY.to_owned());
        self.there(HOME, &agency).await?;
        self.kubectl
            .govuc(&["approve", AGENCY, "--context", HOME.name()])?;
        operator::agency_namespace(&self.kubectl, HOME)?;
        operator::note(&self.kubectl, HOME, &agency)?;
        self.say(HOME, &agency, State::Ready)?;
        self.flux(HOME).ready(AGENCIES, &revision).await?;
        self.flux(HOME).follow(MAILBOXES, &[AGENCIES])?;
        self.flux(HOME).reconcile_soon(MAILBOXES)?;
        for name in PEOPLE {
            let object = Object::mailbox(name);
            self.there(HOME, &object).await?;
            operator::note(&self.kubectl, HOME, &object)?;
            self.say(HOME, &object, State::Ready)?;
        }
        self.flux(HOME).ready(MAILBOXES, &revision).await
    }

    /// Puts a mailbox into the repository, or changes it there, and lets the first site's Flux have it.
    pub async fn write(&self, name: &str, size: Option<&str>) -> anyhow::Result<String> {
        let text = mailbox(name, size).to_string();
        let revision = self.source.commit(&file(name), Some(&text))?;
        self.flux(HOME).fetch(&revision).await?;
        Ok(revision)
    }

    /// The same, with what the operator says in the end.
    pub async fn settle(&self, name: &str, size: Option<&str>) -> anyhow::Result<Object> {
        let revision = self.write(name, size).await?;
        let object = Object::mailbox(name);
        self.there(HOME, &object).await?;
        self.seen(HOME, &object, |found| {
            found["spec"]["quota"]["size"].as_str() == size
        })
        .await?;
        operator::note(&self.kubectl, HOME, &object)?;
        self.say(HOME, &object, State::Ready)?;
        self.flux(HOME).ready(MAILBOXES, &revision).await?;
        Ok(object)
    }

    /// Takes every mailbox of a check out of the repository and the cluster, however far the check came.
    pub async fn clear(&self) -> anyhow::Result<()> {
        let of_checks: Vec<String> = self
            .source
            .names(MAILBOXES)?
            .into_iter()
            .filter(|name| !PEOPLE.contains(&name.as_str()))
            .collect();
        let mut revision = None;
        for name in &of_checks {
            revision = Some(self.source.commit(&file(name), None)?);
        }
        if let Some(revision) = revision {
            self.flux(HOME).fetch(&revision).await?;
            self.flux(HOME).ready(MAILBOXES, &revision).await?;
        }
        for name in &of_checks {
            let object = Object::mailbox(name);
            if read(&self.kubectl, HOME, &object)?.is_some() {
                operator::release(&self.kubectl, HOME, &object)?;
            }
            self.gone(HOME, &object).await?;
        }
        Ok(())
    }

    pub fn say(&self, site: Site, object: &Object, state: State) -> anyhow::Result<()> {
        operator::say(&self.kubectl, site, object, state)
    }

    pub async fn there(&self, site: Site, object: &Object) -> anyhow::Result<()> {
        self.seen(site, object, |_| true).await
    }

    pub async fn gone(&self, site: Site, object: &Object) -> anyhow::Result<()> {
        until(&format!("{object:?} is gone at {site}"), || {
            Ok(read(&self.kubectl, site, object)?.is_none().then_some(()))
        })
        .await
    }

    pub async fn seen(
        &self,
        site: Site,
        object: &Object,
        is_so: impl Fn(&serde_json::Value) -> bool,
    ) -> anyhow::Result<()> {
        until(&format!("{object:?} is at {site} as it is to be"), || {
            Ok(read(&self.kubectl, site, object)?
                .filter(|found| is_so(found))
                .map(drop))
        })
        .await
    }

    pub fn present(&self, site: Site, object: &Object) -> anyhow::Result<serde_json::Value> {
        present(&self.kubectl, site, object)
    }
}

/// Looks again and again until there is something to see.
pub async fn until<T>(what: &str, mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            bail!("not after {PATIENCE:?}: {what}");
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// What of the installation matters to who applies: kinds, roles, admission, and the one Platform.
async fn install(kubectl: &Kubectl, govuc: &std::path::Path, site: Site) -> anyhow::Result<()> {
    let output = command::run(Command::new(govuc).args(["manifests", "--site", site.name()]))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = ["apply", "--server-side", "--field-manager=govuc-lab", "-f", "-"];
    // Kinds come first in it, and are not there at once: the second time everything has one.
    until("everything of the installation is there", || {
        Ok(kubectl.run_with(site, &words, &text).ok())
    })
    .await?;
    let platform = repository().join("examples/platform.yaml");
    kubectl.run(site, &["apply", "-f", &platform.display().to_string()])?;
    Ok(())
}
