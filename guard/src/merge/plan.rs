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

    /// After another look at the same owner: what it calls known was brought, or was so before.
    pub fn and_then(self, next: &Counts) -> Self {
        Self {
            folders_made: self.folders_made + next.folders_made,
            appended: self.appended + next.appended,
            recovered: self.recovered + next.recovered,
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
mod tests {
    use super::*;
    use crate::merge::inventory::{Message, Settings};

    fn guid(number: u8) -> Guid {
        Guid::parse(&format!("{number:02x}").repeat(20)).unwrap()
    }

    /// `!` before a name: it is for sending. A negative number: an expunged message.
    fn folder(id: &str, name: &str, messages: &[i8]) -> Folder {
        let plain = name.trim_start_matches('!');
        Folder {
            name: plain.to_owned(),
            unique_id: id.to_owned(),
            special_use: (plain != name).then(|| "\\sent".to_owned()),
            settings: Settings::default(),
            messages: messages
                .iter()
                .zip(1..)
                .map(|(number, uid)| Message {
                    guid: guid(number.unsigned_abs()),
                    uid,
                    internal_date: 7,
                    size: 1,
                    flags: Vec::new(),
                    expunged: *number < 0,
                })
                .collect(),
        }
    }

    fn inventory(folders: &[(&str, &str, &[i8])]) -> Inventory {
        let folders = folders.iter();
        Inventory {
            folders: folders
                .map(|(id, name, messages)| folder(id, name, messages))
                .collect(),
        }
    }

    type Folders<'a> = &'a [(&'a str, &'a str, &'a [i8])];

    fn planned(copy: Folders<'_>, primary: Folders<'_>) -> (Vec<String>, Counts) {
        let copy = inventory(copy);
        let plan = plan(&Owner::User("u".into()), &copy, &inventory(primary));
        let steps = plan.steps.iter().map(|step| match step {
            Step::Make(new) => {
                let id = if new.keeps_id {
                    &copy.folders[new.of].unique_id
                } else {
                    "new"
                };
                let annotations = if new.keeps_annotations { "" } else { " bare" };
                format!("make {} {id}{annotations}", new.name)
            }
            Step::Append { folder, message, to } => {
                format!(
                    "{} to {to}",
                    copy.folders[*folder].messages[*message]
                        .guid
                        .to_string()
                        .split_at(2)
                        .0
                )
            }
        });
        (steps.collect(), plan.counts)
    }

    #[track_caller]
    fn steps(copy: Folders<'_>, primary: Folders<'_>, expected: &[&str]) {
        assert_eq!(planned(copy, primary).0, expected);
    }

    #[test]
    fn what_the_primary_does_not_know_is_appended_and_counted() {
        let (steps, counts) = planned(
            &[
                ("i", "user.u", &[1, 2, 3, -4, 2]),
                ("d", "DELETED.user.u.X.6B", &[5]),
            ],
            &[("i", "user.u", &[1])],
        );
        assert_eq!(steps, ["02 to user.u", "03 to user.u"]);
        let expected = Counts {
            appended: 2,
            known: 1,
            expunged: 2,
            repeated: 1,
            ..Counts::default()
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn what_the_primary_has_anywhere_or_had_is_left_as_it_is() {
        steps(
            &[("i", "user.u", &[1, 2, 3, 4])],
            &[
                ("i", "user.u", &[-1]),
                ("a", "user.u.A", &[2, 3]),
                ("b", "DELETED.user.u.B.6B", &[4]),
            ],
            &[],
        );
    }

    #[test]
    fn a_message_moved_at_the_copy_stays_where_the_primary_has_it() {
        steps(
            &[("i", "user.u", &[-1]), ("a", "user.u.A", &[1])],
            &[("i", "user.u", &[1]), ("a", "user.u.A", &[])],
            &[],
        );
    }

    #[test]
    fn a_folder_of_the_copy_alone_is_made_with_its_id_before_what_is_in_it() {
        steps(
            &[
                ("b", "user.u.A.B", &[1]),
                ("a", "user.u.A", &[]),
                ("i", "user.u", &[]),
            ],
            &[("i", "user.u", &[])],
            &["make user.u.A a", "make user.u.A.B b", "01 to user.u.A.B"],
        );
    }

    #[test]
    fn a_folder_renamed_at_the_primary_takes_the_copys_messages_there() {
        steps(
            &[("a", "user.u.A", &[1])],
            &[("a", "user.u.Z", &[])],
            &["01 to user.u.Z"],
        );
    }

    #[test]
    fn what_was_in_another_folder_of_the_same_path_is_recovered_beside_it() {
        steps(
            &[("a", "user.u.A", &[1, 2]), ("c", "user.u.C", &[3])],
            &[("b", "user.u.A", &[2]), ("d", "user.u.C", &[3])],
            &["make user.u.Dipulihkan.A a bare", "01 to user.u.Dipulihkan.A"],
        );
        let (_, counts) = planned(&[("a", "user.u.A", &[1, 2])], &[("b", "user.u.A", &[2])]);
        assert_eq!((counts.appended, counts.recovered, counts.known), (1, 1, 1));
    }

    #[test]
    fn a_recovery_that_broke_off_goes_on_in_the_folder_it_made() {
        steps(
            &[("a", "user.u.A", &[1, 2])],
            &[("b", "user.u.A", &[]), ("a", "user.u.Dipulihkan.A", &[1])],
            &["02 to user.u.Dipulihkan.A"],
        );
        steps(
            &[("a", "user.u.A", &[1, 2])],
            &[("b", "user.u.A", &[]), ("x", "user.u.Dipulihkan.A", &[1])],
            &["02 to user.u.Dipulihkan.A"],
        );
    }

    #[test]
    fn what_was_in_a_folder_that_the_primary_deleted_is_recovered_and_the_folder_is_not() {
        steps(
            &[("a", "user.u.A", &[1, 2]), ("b", "user.u.B", &[3])],
            &[
                ("a", "DELETED.user.u.A.6B", &[2]),
                ("b", "DELETED.user.u.B.6B", &[3]),
            ],
            &["make user.u.Dipulihkan.A new bare", "01 to user.u.Dipulihkan.A"],
        );
    }

    #[test]
    fn inboxes_and_folders_for_the_same_use_are_the_same_whoever_made_them() {
        steps(
            &[
                ("i", "user.u", &[1]),
                ("s", "!user.u.Sent", &[2]),
                ("p", "!user.u.Plain", &[3]),
            ],
            &[
                ("j", "user.u", &[]),
                ("t", "!user.u.Sent", &[]),
                ("q", "user.u.Plain", &[]),
            ],
            &[
                "01 to user.u",
                "make user.u.Dipulihkan.Plain p bare",
                "03 to user.u.Dipulihkan.Plain",
                "02 to user.u.Sent",
            ],
        );
    }

    #[test]
    fn a_second_folder_for_a_use_is_made_without_it() {
        steps(
            &[("s", "!user.u.Sent", &[])],
            &[("t", "!user.u.Terkirim", &[])],
            &["make user.u.Sent s bare"],
        );
        steps(&[("s", "!user.u.Sent", &[])], &[], &["make user.u.Sent s"]);
    }

    #[test]
    fn a_user_of_the_copy_alone_is_made_with_everything() {
        steps(
            &[("i", "user.u", &[1]), ("s", "!user.u.Sent", &[2])],
            &[],
            &[
                "make user.u i",
                "01 to user.u",
                "make user.u.Sent s",
                "02 to user.u.Sent",
            ],
        );
    }

    #[test]
    fn an_inbox_that_was_deleted_at_the_primary_is_made_anew_for_what_nobody_had_seen_there() {
        steps(
            &[("i", "user.u", &[1, 2])],
            &[("i", "DELETED.user.u.6B", &[1])],
            &["make user.u new", "02 to user.u"],
        );
    }

    #[test]
    fn everybodys_mail_is_recovered_beside_everybodys() {
        let (copy, primary) = (
            inventory(&[("a", "team.a", &[1])]),
            inventory(&[("b", "team.a", &[])]),
        );
        let plan = plan(&Owner::Everybody, &copy, &primary);
        let [Step::Make(new), Step::Append { to, .. }] = &plan.steps[..] else {
            panic!("{plan:?}");
        };
        assert_eq!(
            (new.name.as_str(), to.as_str()),
            ("Dipulihkan.team.a", "Dipulihkan.team.a")
        );
    }

    /// Nothing is left to do after a plan was carried out, wherever it broke off before.
    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do() {
        let copy = inventory(&[
            ("i", "user.u", &[1, 2]),
            ("a", "user.u.A", &[3]),
            ("b", "user.u.B", &[4, 5]),
            ("c", "user.u.C", &[6]),
        ]);
        let before = inventory(&[
            ("i", "user.u", &[1]),
            ("x", "user.u.B", &[]),
            ("c", "DELETED.user.u.C.6B", &[]),
        ]);
        let owner = Owner::User("u".into());
        let whole = plan(&owner, &copy, &before);
        assert_eq!(whole.steps.len(), 8);
        for broken_off in 0..=whole.steps.len() {
            let mut primary = carried_out(&copy, before.clone(), &whole.steps[..broken_off]);
            let rest = plan(&owner, &copy, &primary);
            assert_eq!(rest.counts.appended + appends(&whole.steps[..broken_off]), 5);
            primary = carried_out(&copy, primary, &rest.steps);
            assert_eq!(plan(&owner, &copy, &primary).steps, []);
        }
    }

    fn appends(steps: &[Step]) -> u64 {
        let appends = steps.iter().filter(|step| matches!(step, Step::Append { .. }));
        appends.count() as u64
    }

    fn carried_out(copy: &Inventory, mut primary: Inventory, steps: &[Step]) -> Inventory {
        for step in steps {
            match step {
                Step::Make(new) => {
                    let id = if new.keeps_id {
                        &copy.folders[new.of].unique_id
                    } else {
                        &new.name
                    };
                    primary.folders.push(folder(id, &new.name, &[]));
                }
                Step::Append { folder, message, to } => {
                    let message = copy.folders[*folder].messages[*message].clone();
                    let into = primary.folders.iter_mut().find(|folder| folder.name == *to);
                    into.unwrap().messages.push(message);
                }
            }
        }
        primary
    }
}
