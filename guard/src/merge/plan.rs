//! What has to be done at the primary so that it has every message that only the passed-over copy has. Pure.
//!
//! Messages are told apart by content within one owner's mail. One that the primary knows is left as it is there, wherever it is and
//! whatever became of it: the primary's people have gone on with it. So nothing that was moved, marked or deleted at the copy is
//! moved, marked or deleted at the primary, and what was deleted at either of them does not come back.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::inventory::{Folder, Guid, Inventory, Owner};

/// "Recovered". What can't be put where it was goes below a folder of this name.
pub const RECOVERED: &str = "Dipulihkan";

/// In order: a folder is made before something is put into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Make(NewFolder),
    /// This message of this folder of the copy, both by their place in its inventory, to the folder of that name.
    Append {
        folder: usize,
        message: usize,
        to: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFolder {
    pub name: String,
    /// The folder of the copy that it stands for.
    pub of: usize,
    /// It gets the same id, by which it is found again when a merge that broke off is begun anew.
    pub keeps_id: bool,
    /// It gets the same annotations, what it is for among them.
    pub keeps_annotations: bool,
}

/// What becomes of the copy's folders and messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub folders_made: u64,
    pub appended: u64,
    /// Appended, and not where they were.
    pub recovered: u64,
    /// The primary has them, or had them.
    pub known: u64,
    /// Deleted at the copy.
    pub expunged: u64,
    /// The same message once more.
    pub repeated: u64,
}

impl Counts {
    pub fn add(&mut self, more: &Counts) {
        self.folders_made += more.folders_made;
        self.appended += more.appended;
        self.recovered += more.recovered;
        self.known += more.known;
        self.expunged += more.expunged;
        self.repeated += more.repeated;
    }

    /// The same with nothing brought yet.
    pub fn before(self) -> Self {
        Self {
            folders_made: 0,
            appended: 0,
            recovered: 0,
            ..self
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub counts: Counts,
}

/// Where the messages of one of the copy's folders go.
struct Target {
    name: String,
    /// It has to be made.
    new: Option<NewFolder>,
    /// It is not where the folder was, and is made only for a message.
    recovers: bool,
}

struct Primary<'a> {
    root: String,
    known: BTreeSet<Guid>,
    by_id: HashMap<&'a str, &'a Folder>,
    by_name: HashMap<&'a str, &'a Folder>,
    uses: HashSet<&'a str>,
    /// Made by this plan.
    made: HashSet<String>,
}

/// For one owner.
pub fn plan(owner: &Owner, copy: &Inventory, primary: &Inventory) -> Plan {
    let mut there = Primary::new(owner, primary);
    let (mut plan, mut done) = (Plan::default(), BTreeSet::new());
    let mut order: Vec<usize> = (0..copy.folders.len()).collect();
    // A folder before those within it, and the inbox first of all.
    order.sort_by_key(|at| &copy.folders[*at].name);
    for at in order {
        let folder = &copy.folders[at];
        if folder.is_deleted() {
            plan.counts.expunged += folder.messages.len() as u64;
            continue;
        }
        let mut target = there.target(at, folder);
        if !target.recovers {
            plan.make(&mut there, target.new.take());
        }
        for (place, message) in folder.messages.iter().enumerate() {
            if message.expunged {
                plan.counts.expunged += 1;
            } else if there.known.contains(&message.guid) {
                plan.counts.known += 1;
            } else if !done.insert(message.guid) {
                plan.counts.repeated += 1;
            } else {
                plan.make(&mut there, target.new.take());
                plan.counts.appended += 1;
                plan.counts.recovered += u64::from(target.recovers);
                plan.steps.push(Step::Append {
                    folder: at,
                    message: place,
                    to: target.name.clone(),
                });
            }
        }
    }
    plan
}

impl Plan {
    fn make(&mut self, there: &mut Primary<'_>, new: Option<NewFolder>) {
        if let Some(new) = new {
            there.made.insert(new.name.clone());
            self.counts.folders_made += 1;
            self.steps.push(Step::Make(new));
        }
    }
}

impl<'a> Primary<'a> {
    fn new(owner: &Owner, inventory: &'a Inventory) -> Self {
        let live = || inventory.folders.iter().filter(|folder| !folder.is_deleted());
        Self {
            root: owner.root(),
            known: inventory.guids(),
            by_id: inventory
                .folders
                .iter()
                .map(|folder| (folder.unique_id.as_str(), folder))
                .collect(),
            by_name: live().map(|folder| (folder.name.as_str(), folder)).collect(),
            uses: live()
                .filter_map(|folder| folder.special_use.as_deref())
                .collect(),
            made: HashSet::new(),
        }
    }

    fn target(&self, at: usize, folder: &Folder) -> Target {
        let same = self.by_id.get(folder.unique_id.as_str());
        // Renamed there, perhaps.
        if let Some(same) = same.filter(|same| !same.is_deleted()) {
            return Target {
                name: same.name.clone(),
                new: None,
                recovers: false,
            };
        }
        let new = |name: &str, keeps_annotations| NewFolder {
            name: name.to_owned(),
            of: at,
            keeps_id: same.is_none(),
            keeps_annotations,
        };
        let is_root = folder.name == self.root;
        match self.by_name.get(folder.name.as_str()) {
            // Both sites make these by themselves.
            Some(other)
                if is_root || folder.special_use.is_some() && folder.special_use == other.special_use =>
            {
                Target {
                    name: other.name.clone(),
                    new: None,
                    recovers: false,
                }
            }
            // Nobody has it there, and nobody there has deleted it. An inbox has no other place.
            None if (same.is_none() || is_root) && !self.made.contains(&folder.name) => {
                let used = folder.special_use.as_deref();
                let free = used.is_none_or(|used| !self.uses.contains(used));
                Target {
                    name: folder.name.clone(),
                    new: Some(new(&folder.name, free)),
                    recovers: false,
                }
            }
            _ => {
                let name = self.recovered(&folder.name);
                let exists = self.by_name.contains_key(name.as_str()) || self.made.contains(&name);
                Target {
                    new: (!exists).then(|| new(&name, false)),
                    name,
                    recovers: true,
                }
            }
        }
    }

    fn recovered(&self, name: &str) -> String {
        match name.strip_prefix(&self.root) {
            Some(path) if !self.root.is_empty() => format!("{}.{RECOVERED}{path}", self.root),
            _ => format!("{RECOVERED}.{name}"),
        }
    }
}

#[cfg(test)]
mod tests;
