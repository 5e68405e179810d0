//! `cargo lab shell`: in a site's machine, or in the pod of a store.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use anyhow::Context;

use crate::lab::Lab;
use crate::network::Site;
use crate::{artifact, command, site};

/// Why there is no shell in a store's pod.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "the witness has no stores; those of the data centres are reached by `cargo lab shell {} store {store}`, the \
         witness's machine by `cargo lab shell witness`",
        Site::Pdsa1
    )]
    Witness { store: String },
    #[error("{site} has no stores yet; `cargo lab demo` makes some, or apply your own MailStore")]
    NoStores { site: Site },
    #[error("{site} has no store {store}; it has {}", .stores.join(", "))]
    Unknown {
        site: Site,
        store: String,
        stores: Vec<String>,
    },
    #[error(
        "store {store} has no pod at {site}; `kubectl --context {site} describe mailstore {store}` says why, and \
         `cargo lab shell {} store {store}` opens its other copy",
        .site.other()
    )]
    NoPod { site: Site, store: String },
    #[error(
        "the pod of store {store} at {site} is {phase}; `kubectl --context {site} -n {NAMESPACE} describe pod {store}-0` says \
         what it waits for"
    )]
    NotRunning {
        site: Site,
        store: String,
        phase: String,
    },
}

const NAMESPACE: &str = "govuc-mail";
/// The guard is what a store's pod always has.
const CONTAINER: &str = "guard";
const RUNNING: &str = "Running";

/// A shell in the machine of a site that runs.
pub fn machine(lab: &Lab, site: Site) -> anyhow::Result<ExitStatus> {
    let machine = site::machine(lab, site)?;
    machine.command(&["bash", "-i"]).status().context("nsenter")
}

/// A shell in the pod of a store.
pub fn store(lab: &Lab, site: Site, store: &str) -> anyhow::Result<ExitStatus> {
    if !site.is_data_centre() {
        return Err(Error::Witness { store: store.into() }.into());
    }
    // Says how a site that does not run is started.
    site::machine(lab, site)?;
    let kubectl = Kubectl {
        program: artifact::kubernetes()?,
        kubeconfig: lab.folder.kubeconfig(),
        site,
    };
    // Not by `get mailstores`, which fails where the kind is not installed yet.
    let kind = kubectl.ask(&[
        "get",
        "customresourcedefinition",
        "mailstores.1govuc.gov.my",
        "--ignore-not-found",
        "--output",
        "name",
    ])?;
    let stores = if kind.is_empty() {
        String::new()
    } else {
        let names = "jsonpath={.items[*].metadata.name}";
        kubectl.ask(&["get", "mailstores", "--all-namespaces", "--output", names])?
    };
    let stores: Vec<String> = stores.split_whitespace().map(str::to_owned).collect();
    let pod = format!("{store}-0");
    let phase = kubectl.ask(&[
        "get",
        "pod",
        "--ignore-not-found",
        "--output",
        "jsonpath={.status.phase}",
        "--",
        &pod,
    ])?;
    obstacle(site, store, stores, &phase)?;
    let mut shell = kubectl.command();
    shell.args(["exec", "-it", &pod, "--container", CONTAINER, "--", "sh"]);
    shell.status().context("kubectl")
}

/// What is wrong with a store at a data centre that has these, and whose pod is in that phase, or in none.
fn obstacle(site: Site, store: &str, stores: Vec<String>, phase: &str) -> Result<(), Error> {
    let store = store.to_owned();
    if stores.is_empty() {
        return Err(Error::NoStores { site });
    }
    if !stores.contains(&store) {
        return Err(Error::Unknown { site, store, stores });
    }
    let phase = phase.to_owned();
    match phase.as_str() {
        "" => Err(Error::NoPod { site, store }),
        RUNNING => Ok(()),
        _ => Err(Error::NotRunning { site, store, phase }),
    }
}

struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    site: Site,
}

impl Kubectl {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("kubectl")
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(["--context", self.site.name(), "--namespace", NAMESPACE]);
        command
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, command::Error> {
        let printed = command::run(self.command().args(arguments))?.stdout;
        Ok(String::from_utf8_lossy(&printed).trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_pdsa1(store: &str, stores: &[&str], phase: &str) -> Result<(), String> {
        let stores = stores.iter().map(|&store| store.to_owned()).collect();
        obstacle(Site::Pdsa1, store, stores, phase).map_err(|error| error.to_string())
    }

    #[test]
    fn a_store_that_does_not_exist_is_told_with_those_that_do() {
        let stores = ["mail-1", "mail-2"];
        assert_eq!(
            at_pdsa1("mail-3", &stores, ""),
            Err("pdsa1 has no store mail-3; it has mail-1, mail-2".into())
        );
        assert_eq!(at_pdsa1("mail-1", &stores, RUNNING), Ok(()));
    }

    #[test]
    fn where_there_are_no_stores_it_is_told_what_makes_some() {
        let told = at_pdsa1("mail-1", &[], "").unwrap_err();
        assert_eq!(
            told,
            "pdsa1 has no stores yet; `cargo lab demo` makes some, or apply your own MailStore"
        );
    }

    #[test]
    fn a_store_without_a_pod_is_told_with_where_its_other_copy_is() {
        let told = at_pdsa1("mail-1", &["mail-1"], "").unwrap_err();
        assert!(told.starts_with("store mail-1 has no pod at pdsa1; "), "{told}");
        assert!(told.contains("`cargo lab shell pdsa2 store mail-1`"), "{told}");
    }

    #[test]
    fn a_pod_that_does_not_run_yet_is_told_with_what_says_why() {
        let told = at_pdsa1("mail-1", &["mail-1"], "Pending").unwrap_err();
        assert!(
            told.starts_with("the pod of store mail-1 at pdsa1 is Pending; "),
            "{told}"
        );
        assert!(told.contains("-n govuc-mail describe pod mail-1-0"), "{told}");
    }

    #[test]
    fn the_witness_is_told_with_what_it_has_instead() {
        let told = Error::Witness {
            store: "mail-1".into(),
        }
        .to_string();
        assert_eq!(
            told,
            "the witness has no stores; those of the data centres are reached by `cargo lab shell pdsa1 store mail-1`, the \
             witness's machine by `cargo lab shell witness`"
        );
    }
}
