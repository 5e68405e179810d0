//! What is made, brought and left of two inventories.

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
