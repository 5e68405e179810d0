//! The service itself in the lab: installed in both data centres, joined, given agencies and people.

mod door;
pub mod internet;
mod kubectl;
pub mod line;
pub mod mail;
pub mod part;
mod password;
pub mod people;
mod settle;
pub mod smtp;
pub mod store;
pub mod witness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use govuc_wire::names;

pub use door::{Door, Login, Stream};
pub use kubectl::Kubectl;
pub use people::Person;
pub use settle::{Kind, client, settled};

use crate::cargo::{cargo, repository};
use crate::images::BuiltImage;
use crate::lab::Lab;
use crate::machine::{Machine, Role};
use crate::network::Site;
use crate::{artifact, command, stock};

/// The agencies of `examples/`.
const AGENCIES: [&str; 2] = ["jpa", "kkr"];
/// How many mailboxes `examples/mailboxes` has.
const MAILBOXES: usize = 4;
/// The mail domain of the platform in `examples/platform.yaml`.
const DOMAIN: &str = "1govuc.gov.my";
/// Engines start cold, one after the other, on a small machine.
const PLATFORM_LIMIT: Duration = Duration::from_secs(300);
const OBJECT_LIMIT: Duration = Duration::from_secs(180);

/// The service in a lab that is up.
#[derive(Clone)]
pub struct Service {
    pub lab: Lab,
    pub kubectl: Kubectl,
    repository: PathBuf,
}

impl Service {
    /// Builds what is missing, and installs the operator in both data centres. Doing it again changes nothing.
    pub async fn install(lab: &Lab) -> anyhow::Result<Service> {
        let repository = repository();
        let programs = artifact::programs()?;
        let binaries = binaries(&repository)?;
        let plugin = binaries.join("kubectl-govuc");
        let kubectl = Kubectl::new(&programs.kubernetes, &plugin, &lab.folder.kubeconfig());
        let service = Service {
            lab: lab.clone(),
            kubectl,
            repository,
        };
        let built = stock::built(&[])?;
        for image in &built {
            stock::import(lab, image)?;
        }
        for site in Site::DATA_CENTRES {
            let manifests = service.manifests(&binaries.join("govuc"), site, &built)?;
            let arguments = [
                "apply",
                "--server-side",
                "--force-conflicts",
                "--field-manager=govuc-lab",
                "-f",
                "-",
            ];
            service
                .kubectl
                .run_with(site, &arguments, &manifests)
                .context("installing the operator")?;
        }
        service
            .kubectl
            .govuc(&["connect", "--contexts", "pdsa1,pdsa2"])
            .context("joining the two sites")?;
        Ok(service)
    }

    /// Applies `examples/` to both data centres, approves the agencies and waits until people can log in.
    pub async fn populate(&self) -> anyhow::Result<()> {
        self.populate_by(&Site::DATA_CENTRES).await
    }

    /// The same, with agencies and mailboxes given to these data centres only: the mirror brings them to the other one.
    pub async fn populate_by(&self, given: &[Site]) -> anyhow::Result<()> {
        let examples = self.repository.join("examples");
        let apply = |site: Site, what: &str| {
            let path = examples.join(what);
            self.kubectl
                .run(site, &["apply", "-f", &path.display().to_string()])
        };
        for site in Site::DATA_CENTRES {
            apply(site, "platform.yaml")?;
        }
        for site in given {
            apply(*site, "agencies")?;
        }
        witness::set_up(self)?;
        self.each_site(Kind::Platform, 1, PLATFORM_LIMIT).await?;
        for site in given {
            for agency in AGENCIES {
                self.kubectl
                    .govuc(&["approve", agency, "--context", site.name()])?;
            }
        }
        self.each_site(Kind::Agency, AGENCIES.len(), OBJECT_LIMIT).await?;
        self.each_site(Kind::MailStore, AGENCIES.len(), PLATFORM_LIMIT)
            .await?;
        for site in given {
            apply(*site, "mailboxes")?;
        }
        self.each_site(Kind::Mailbox, MAILBOXES, OBJECT_LIMIT).await
    }

    /// Kills the operator's pods of a site and waits until they are gone; their Deployment makes others.
    pub fn kill_operators(&self, site: Site) -> anyhow::Result<()> {
        let words = ["delete", "pods", "--all", "--grace-period=0", "--force"];
        self.kubectl
            .run(site, &[&["-n", names::SYSTEM_NAMESPACE][..], &words].concat())?;
        Ok(())
    }

    /// The front door of a site.
    pub async fn door(&self, site: Site) -> anyhow::Result<Door> {
        self.public(
            site,
            names::MAIL_NAMESPACE,
            "front-door",
            format!("mail.{DOMAIN}"),
        )
    }

    /// The host of a site that takes mail from other mail servers.
    pub async fn mx(&self, site: Site) -> anyhow::Result<Door> {
        self.public(site, names::MTA_NAMESPACE, "mx", format!("mx.{site}.{DOMAIN}"))
    }

    /// A public Service of a site, as seen from the witness: outside both data centres.
    fn public(&self, site: Site, namespace: &str, service: &str, name: String) -> anyhow::Result<Door> {
        let path = "jsonpath={.status.loadBalancer.ingress[0].ip}";
        let address = self
            .kubectl
            .run(site, &["-n", namespace, "get", "service", service, "-o", path])?;
        Ok(Door {
            machine: Machine::running(&self.lab.name, Role::Site(Site::Witness))?,
            address: address
                .parse()
                .with_context(|| format!("{site}: {service} has no address yet"))?,
            name,
            authorities: self.authorities()?,
        })
    }

    /// Has a person choose the own password in place of the first one, unless that was done before.
    pub async fn choose_password(&self, door: &Door, person: Person) -> anyhow::Result<()> {
        if door.imap(person.login()).await.is_ok() {
            return Ok(());
        }
        let first = self
            .first_password(person)?
            .with_context(|| format!("{} has no first password", person.address))?;
        let login = Login {
            user: person.address,
            password: &first,
        };
        let (status, answer) = door.change_password(login, person.password)?;
        ensure!(
            status == 204,
            "{}: the new password was answered {status}: {answer}",
            person.address
        );
        Ok(())
    }

    /// The first password of a person, if it was not changed yet.
    pub fn first_password(&self, person: Person) -> anyhow::Result<Option<String>> {
        self.first_password_by(Site::Pdsa1, person)
    }

    /// The same by the word of one cluster. It is where the lead minted it.
    pub fn first_password_by(&self, asked: Site, person: Person) -> anyhow::Result<Option<String>> {
        let name = person.mailbox;
        let namespace = format!("agency-{}", person.agency);
        let path = "jsonpath={.status.firstPassword.site} {.status.firstPassword.secret}";
        let words = ["-n", &namespace, "get", "mailbox", name, "-o", path];
        let said = self.kubectl.run(asked, &words)?;
        let Some((site, secret)) = said.trim().split_once(' ') else {
            return Ok(None);
        };
        let site = Site::DATA_CENTRES
            .into_iter()
            .find(|known| known.name() == site)
            .with_context(|| format!("{name} says that its first password is at {site:?}"))?;
        let template = "go-template={{.data.password | base64decode}}";
        match self
            .kubectl
            .run(site, &["-n", &namespace, "get", "secret", secret, "-o", template])
        {
            Ok(password) => Ok(Some(password)),
            Err(command::Error::Failed { stderr, .. }) if stderr.contains("NotFound") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The store a person's mail is in.
    pub async fn store_of(&self, person: Person) -> anyhow::Result<String> {
        let client = client(&self.lab.folder.kubeconfig(), Site::Pdsa1).await?;
        let listed = Kind::Mailbox.api(&client).list(&Default::default()).await?;
        let found = listed
            .items
            .into_iter()
            .find(|mailbox| mailbox.metadata.name.as_deref() == Some(person.mailbox));
        let status = found.context("the mailbox is gone")?.data["status"]["granted"]["store"].clone();
        Ok(status
            .as_str()
            .with_context(|| format!("{} has no store", person.address))?
            .to_owned())
    }

    async fn each_site(&self, kind: Kind, least: usize, limit: Duration) -> anyhow::Result<()> {
        for site in Site::DATA_CENTRES {
            self.ready(site, kind, least, limit).await?;
        }
        Ok(())
    }

    /// Waits until there are at least `least` objects of this kind at `site` and all of them are Ready.
    pub async fn ready(&self, site: Site, kind: Kind, least: usize, limit: Duration) -> anyhow::Result<()> {
        let client = client(&self.lab.folder.kubeconfig(), site).await?;
        settled(&client, site, kind, least, limit).await
    }

    /// What both sites' authorities vouch with, in one file: a mail client is given it, as a browser is given its list.
    fn authorities(&self) -> anyhow::Result<PathBuf> {
        let mut pem = String::new();
        for site in Site::DATA_CENTRES {
            let template = r#"go-template={{index .data "tls.crt" | base64decode}}"#;
            pem += &self.kubectl.run(
                site,
                &["-n", "govuc-system", "get", "secret", "govuc-ca", "-o", template],
            )?;
        }
        let path = self.lab.folder.path().join("authorities.pem");
        fs::write(&path, pem).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    fn manifests(&self, govuc: &Path, site: Site, built: &[BuiltImage]) -> anyhow::Result<String> {
        let mut command = Command::new(govuc);
        command.args(["manifests", "--site", site.name()]);
        // The probe is of the lab's own tests.
        for image in built.iter().filter(|image| image.name.as_str() != "probe") {
            command.args(["--image", &format!("{}={}", image.name, image.reference)]);
        }
        let output = command::run(&mut command)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Builds the operator and the plugin for this machine, and gives the folder they are in.
pub fn binaries(repository: &Path) -> anyhow::Result<PathBuf> {
    let status = cargo(&["build", "--quiet", "--package", "govuc", "--bins"])
        .status()
        .context("cargo")?;
    if !status.success() {
        bail!("cargo could not build the operator; its messages are above");
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository.join("target"), PathBuf::from);
    Ok(target.join("debug"))
}
