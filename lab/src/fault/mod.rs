//! What can go wrong between and in the sites, on purpose: lines cut, lossy or slow; machines off or frozen.

mod relay;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

pub use relay::run as run_relay;

use crate::lab::Lab;
use crate::machine::{BRIDGE, Machine, Role, wait};
use crate::network::{Line, Site};
use crate::paths::LabFolder;

/// The faults of the lines that are in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    #[serde(default)]
    pub cut: BTreeSet<Line>,
    /// From one site to another, and not back.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub one_way: BTreeSet<(Site, Site)>,
    /// Per cent of packets that are lost in each direction.
    #[serde(default)]
    pub loss: BTreeMap<Line, u8>,
    /// Milliseconds that are added in each direction.
    #[serde(default)]
    pub delay: BTreeMap<Site, u32>,
}

impl Faults {
    /// Those in force in a lab.
    pub fn of(folder: &LabFolder) -> anyhow::Result<Faults> {
        let path = folder.faults();
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).with_context(|| path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Faults::default()),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    pub fn cut(&mut self, line: Line) {
        self.cut.insert(line);
    }

    /// Cuts one direction only.
    pub fn cut_one_way(&mut self, from: Site, to: Site) {
        self.one_way.insert((from, to));
    }

    pub fn lose(&mut self, line: Line, percent: u8) {
        self.loss.insert(line, percent);
    }

    pub fn slow(&mut self, site: Site, milliseconds: u32) {
        self.delay.insert(site, milliseconds);
    }

    /// Takes back every fault of `line`, or of all lines.
    pub fn heal(&mut self, line: Option<Line>) {
        let Some(line) = line else {
            *self = Faults::default();
            return;
        };
        self.cut.remove(&line);
        self.loss.remove(&line);
        self.one_way
            .retain(|(from, to)| line != Line::Between(*from.min(to), *from.max(to)));
        if let Line::Site(site) = line {
            self.delay.remove(&site);
        }
    }

    /// One sentence for each, for people.
    pub fn sentences(&self) -> Vec<String> {
        let cut = self.cut.iter().map(|line| format!("{line} is cut"));
        let one_way = self
            .one_way
            .iter()
            .map(|(from, to)| format!("nothing comes from {from} to {to}"));
        let loss = self
            .loss
            .iter()
            .map(|(line, percent)| format!("{line} loses {percent} % each way"));
        let delay = self
            .delay
            .iter()
            .map(|(site, ms)| format!("{site} is {ms} ms away, each way"));
        cut.chain(one_way).chain(loss).chain(delay).collect()
    }
}

/// Puts the recorded faults in force. Done again after anything that remakes a line.
pub fn apply(lab: &Lab, wan: &Machine) -> anyhow::Result<()> {
    put_in_force(lab, wan, &Faults::of(&lab.folder)?)
}

/// Changes which faults there are, puts them in force and records them.
pub fn change(lab: &Lab, edit: impl FnOnce(&mut Faults)) -> anyhow::Result<()> {
    let _claim = crate::lab::Claim::take(&lab.name)?;
    let wan = Machine::running(&lab.name, Role::Wan)?;
    let mut faults = Faults::of(&lab.folder)?;
    edit(&mut faults);
    put_in_force(lab, &wan, &faults)?;
    let path = lab.folder.faults();
    fs::write(&path, serde_json::to_string(&faults)?).with_context(|| path.display().to_string())
}

fn put_in_force(lab: &Lab, wan: &Machine, faults: &Faults) -> anyhow::Result<()> {
    for site in Site::ALL.into_iter().filter(|site| has_port(wan, *site)) {
        relay::set(lab, wan, site, faults.delay.get(&site).copied())?;
        // Down on the bridge's side: the site sees its line without carrier, and keeps its own address.
        let state = if faults.cut.contains(&Line::Site(site)) {
            "down"
        } else {
            "up"
        };
        wan.exec(&["ip", "link", "set", &site.port(), state])?;
    }
    wan.exec_with(&["nft", "-f", "-"], rules::table(faults).as_bytes())?;
    Ok(())
}

fn has_port(wan: &Machine, site: Site) -> bool {
    wan.exec(&["ip", "link", "show", &site.port()]).is_ok()
}

/// Waits until the bridge has `port`.
fn wait_for_port(wan: &Machine, port: &str) -> anyhow::Result<()> {
    let joined = || {
        let shown = wan.exec(&["ip", "-o", "link", "show", port, "up", "master", BRIDGE]);
        shown.is_ok_and(|output| !output.stdout.is_empty())
    };
    if !wait(Duration::from_secs(5), joined) {
        bail!("the relay did not join its port {port} to the bridge within 5 s");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_survive_their_file() {
        let mut faults = Faults::default();
        faults.cut.insert(Line::Between(Site::Pdsa1, Site::Witness));
        faults.loss.insert(Line::Site(Site::Pdsa2), 30);
        faults.delay.insert(Site::Pdsa1, 40);
        let text = serde_json::to_string(&faults).unwrap();
        assert_eq!(
            text,
            r#"{"cut":["pdsa1-witness"],"loss":{"pdsa2":30},"delay":{"pdsa1":40}}"#
        );
        assert_eq!(serde_json::from_str::<Faults>(&text).unwrap(), faults);
    }

    #[test]
    fn healing_a_line_leaves_the_others_as_they_are() {
        let mut faults = Faults::default();
        faults
            .cut
            .extend([Line::Site(Site::Pdsa1), Line::Site(Site::Pdsa2)]);
        faults.delay.insert(Site::Pdsa1, 40);
        faults.cut_one_way(Site::Pdsa2, Site::Pdsa1);
        faults.heal(Some(Line::Between(Site::Pdsa1, Site::Pdsa2)));
        assert!(faults.one_way.is_empty());
        faults.heal(Some(Line::Site(Site::Pdsa1)));
        assert_eq!(faults.sentences(), ["pdsa2 is cut"]);
        faults.heal(None);
        assert_eq!(faults, Faults::default());
    }
}
