//! The mirror's acts against two API servers in memory: every way through `src/mirror` but the watches.

mod bed;

use govuc::mirror::{ANNOTATION, FINALIZER};
use govuc_api::SCHEMA;
use kube::ResourceExt;
use rstest::rstest;

use self::bed::{Bed, NAMESPACE};
use crate::api_server::Failure;

const SAME: &str = "SameAtBothSites";

/// Somebody else's status is no news to the mirror, and its next write is of what is there then.
#[tokio::test(start_paused = true)]
async fn what_changes_beside_the_spec_is_not_in_the_way_of_an_edit() {
    let mut bed = Bed::new().await;
    bed.watch();
    bed.write(0, "ali", "1Gi");
    bed.settle().await;
    for at in 0..2 {
        let mut touched = bed.get(at, "ali").unwrap();
        touched.finalizers_mut().push("example.com/backup".to_owned());
        bed.sites[at].server.put_finalizers(&touched);
    }
    bed.settle().await;
    bed.write(1, "ali", "2Gi");
    bed.settle().await;
    assert_eq!(bed.sizes(0), sizes(&[("ali", "2Gi")]));
    assert_eq!(bed.says(0, "ali"), SAME);
}

/// What people do at both sites, a step at a time, with every kind of act in it.
async fn story(bed: &mut Bed, step: usize) -> bool {
    match step {
        0 => {
            bed.write(0, "ali", "1Gi");
            bed.write(1, "siti", "1Gi");
            bed.write(0, "kumar", "1Gi");
            bed.write(1, "kumar", "1Gi");
        }
        1 => {
            bed.write(0, "ali", "2Gi");
            bed.write(1, "siti", "3Gi");
        }
        2 => {
            bed.write(0, "kumar", "4Gi");
            bed.write(1, "kumar", "5Gi");
        }
        3 => bed.delete(1, "ali"),
        _ => return false,
    }
    true
}

fn sizes(all: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = all
        .iter()
        .map(|(name, size)| ((*name).to_owned(), (*size).to_owned()));
    owned.collect()
}

#[tokio::test(start_paused = true)]
async fn what_people_write_at_either_site_is_at_both_and_then_nothing_is_written() {
    let mut bed = Bed::new().await;
    for step in 0.. {
        if !story(&mut bed, step).await {
            break;
        }
        bed.settle().await;
        assert_eq!(bed.sizes(0), bed.sizes(1), "after step {step}");
    }
    // Of both edits of kumar the lead's stands.
    assert_eq!(bed.sizes(0), sizes(&[("kumar", "4Gi"), ("siti", "3Gi")]));
    assert_eq!((bed.kept(0), bed.kept(1)), (vec![], vec!["5Gi".to_owned()]));
    assert_eq!(bed.says(0, "kumar"), SAME);
    assert_eq!(bed.says(1, "kumar"), format!("{SAME}, Overruled"));
    assert_eq!(bed.settle().await, [0, 0]);
}

/// Sieve's way: each write fails once, before or after it is done, and each operator begins anew then.
#[rstest]
#[case::nothing_was_written(Failure::Before, false)]
#[case::the_answer_was_lost(Failure::After, false)]
#[case::the_operator_ended_before_it(Failure::Before, true)]
#[case::the_operator_ended_after_it(Failure::After, true)]
#[tokio::test(start_paused = true)]
async fn whichever_write_fails_the_end_is_the_same(#[case] failure: Failure, #[case] ends: bool) {
    let mut struck = 0;
    for at in 0..2 {
        for write in 0.. {
            let mut bed = Bed::new().await;
            bed.sites[at].server.fail_after(write, failure);
            for step in 0.. {
                if !story(&mut bed, step).await {
                    break;
                }
                for site in 0..2 {
                    bed.pass(site).await;
                }
                if ends {
                    bed.restart(at);
                }
                bed.settle().await;
            }
            if !bed.sites[at].server.has_failed() {
                break;
            }
            struck += 1;
            let end = sizes(&[("kumar", "4Gi"), ("siti", "3Gi")]);
            assert_eq!(
                (bed.sizes(0), bed.sizes(1)),
                (end.clone(), end),
                "write {write} at {at}"
            );
            assert_eq!((bed.kept(0), bed.kept(1)), (vec![], vec!["5Gi".to_owned()]));
        }
    }
    assert!(struck > 20, "only {struck} writes were tried");
}

#[tokio::test(start_paused = true)]
async fn what_a_replace_drops_is_known_from_the_other_site() {
    let mut bed = Bed::new().await;
    bed.write(0, "ali", "1Gi");
    bed.settle().await;
    let mut mailbox = bed.get(1, "ali").unwrap();
    mailbox.annotations_mut().clear();
    bed.sites[1].server.put(&mailbox);
    bed.write(1, "ali", "2Gi");
    bed.settle().await;
    assert_eq!(bed.sizes(0), sizes(&[("ali", "2Gi")]));
    assert!(bed.kept(0).is_empty() && bed.kept(1).is_empty());
    assert!(bed.get(1, "ali").unwrap().annotations().contains_key(ANNOTATION));
}

/// Edits at either site, new ones and a deletion after the backup; one is edited again where it was restored.
#[rstest]
#[case::of_the_lead(0)]
#[case::of_the_other_one(1)]
#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_restored_from_a_backup_comes_up_to_the_other_one(#[case] at: usize) {
    let mut bed = Bed::new().await;
    bed.watch();
    for name in ["ali", "siti", "kumar"] {
        bed.write(at, name, "1Gi");
    }
    bed.settle().await;
    let backup = bed.sites[at].server.backup();
    // Another process makes other marks, as it would a minute later.
    bed.restart(at);
    bed.write(at, "ali", "2Gi");
    bed.write(1 - at, "siti", "3Gi");
    bed.delete(1 - at, "kumar");
    let new: Vec<String> = (0..15).map(|number| format!("new{number:02}")).collect();
    for name in &new {
        bed.write(at, name, "1Gi");
    }
    bed.settle().await;
    let before = (bed.sizes(0), bed.get(1 - at, "new00").unwrap().uid());
    bed.sites[at].server.restore(backup);
    bed.restart(at);
    bed.break_watch(1 - at);
    assert_eq!(bed.sizes(at).len(), 3);
    bed.settle().await;
    assert_eq!((bed.sizes(0), bed.get(1 - at, "new00").unwrap().uid()), before);
    assert_eq!(bed.sizes(0), bed.sizes(1));
    assert!(bed.kept(0).is_empty() && bed.kept(1).is_empty());
    // It is over: what is deleted now is deleted.
    bed.delete(at, "new00");
    bed.settle().await;
    assert_eq!(bed.get(1 - at, "new00"), None);
}

/// The same files at both sites, in a hundred orders, with looks, operators that begin anew and failures in between.
#[tokio::test(start_paused = true)]
async fn files_that_are_applied_at_both_sites_are_one_set_in_whichever_order() {
    const FILES: [(&str, &str); 4] = [("ali", "1Gi"), ("kumar", "2Gi"), ("mei", "1Gi"), ("siti", "3Gi")];
    for seed in 1..=100 {
        let mut bed = Bed::new().await;
        let mut chance = Chance(seed);
        let mut left: Vec<(usize, usize)> = (0..2 * FILES.len()).map(|n| (n % 2, n / 2)).collect();
        while !left.is_empty() {
            let at = chance.below(2);
            match chance.below(6) {
                0 | 1 => {
                    let (at, file) = left.swap_remove(chance.below(left.len()));
                    bed.write(at, FILES[file].0, FILES[file].1);
                }
                2..=4 => bed.pass(at).await,
                _ if chance.below(2) == 0 => bed.restart(at),
                _ => bed.sites[at].server.fail_after(chance.below(3), Failure::After),
            }
        }
        bed.settle().await;
        assert_eq!(
            (bed.sizes(0), bed.sizes(1)),
            (sizes(&FILES), sizes(&FILES)),
            "seed {seed}"
        );
        assert!(bed.kept(0).is_empty() && bed.kept(1).is_empty(), "seed {seed}");
        assert_eq!(bed.settle().await, [0, 0], "seed {seed}");
    }
}

/// Two versions of the operator side by side: nothing is mirrored, nothing is deleted, and all is when both have one.
#[tokio::test(start_paused = true)]
async fn operators_of_two_schemas_wait_for_each_other() {
    let mut bed = Bed::new().await;
    bed.write(0, "ali", "1Gi");
    bed.settle().await;
    bed.schema_of_the_other = SCHEMA + 1;
    bed.write(0, "ali", "2Gi");
    bed.write(0, "siti", "1Gi");
    bed.write(1, "kumar", "1Gi");
    bed.delete(1, "ali");
    bed.settle().await;
    let kept = [("ali", "2Gi"), ("siti", "1Gi")];
    assert_eq!(
        (bed.sizes(0), bed.sizes(1)),
        (sizes(&kept), sizes(&[("kumar", "1Gi")]))
    );
    bed.schema_of_the_other = SCHEMA;
    bed.settle().await;
    // It was edited at one site and deleted at the other: a person decides.
    assert_eq!(
        bed.sizes(0),
        sizes(&[("ali", "2Gi"), ("kumar", "1Gi"), ("siti", "1Gi")])
    );
    assert_eq!(bed.sizes(1), sizes(&[("kumar", "1Gi"), ("siti", "1Gi")]));
    assert_eq!(bed.says(0, "ali"), "DeletedAtPeer, DeletedAtPeer");
}

/// The other cluster is gone, and an empty one is in its place.
#[tokio::test(start_paused = true)]
async fn an_empty_cluster_in_the_place_of_a_lost_one_gets_everything() {
    let mut bed = Bed::new().await;
    let names: Vec<String> = (0..15).map(|number| format!("name{number:02}")).collect();
    for name in &names {
        bed.write(1, name, "1Gi");
    }
    bed.settle().await;
    let before = bed.sizes(0);
    bed.replace(1).await;
    assert!(bed.sizes(1).is_empty());
    bed.settle().await;
    assert_eq!((bed.sizes(0), bed.sizes(1)), (before.clone(), before));
    bed.delete(1, "name00");
    bed.settle().await;
    assert_eq!(bed.get(0, "name00"), None);
}

#[tokio::test(start_paused = true)]
async fn what_a_list_that_breaks_off_did_not_have_is_not_deleted() {
    let mut bed = Bed::new().await;
    for name in ["ali", "kumar", "siti"] {
        bed.write(0, name, "1Gi");
    }
    bed.settle().await;
    bed.restart(0);
    bed.pass_cut_short(0).await;
    assert_eq!(bed.sizes(0).len(), 3);
    assert_eq!(bed.sites[0].server.writes(), Vec::<String>::new());
}

/// The operator holds an object, and somebody else does so between its look and its write.
#[tokio::test(start_paused = true)]
async fn what_somebody_else_wrote_meanwhile_stays() {
    let mut bed = Bed::new().await;
    bed.write(0, "ali", "1Gi");
    let mut held = bed.get(0, "ali").unwrap();
    held.finalizers_mut().push("example.com/backup".to_owned());
    bed.pass_beside(0, |site| site.server.put_finalizers(&held)).await;
    bed.settle().await;
    let ali = bed.get(0, "ali").unwrap();
    assert!(
        ali.finalizers().iter().any(|held| held == "example.com/backup"),
        "{:?}",
        ali.finalizers()
    );
    assert_eq!(bed.says(0, "ali"), SAME);
}

/// Before anybody at the other site knows of it: what is deleted then must not be taken for new there.
#[tokio::test(start_paused = true)]
async fn what_is_seen_is_held_at_once_and_not_in_the_way_of_who_deletes_it() {
    let mut bed = Bed::new().await;
    bed.write(0, "ali", "1Gi");
    bed.pass(0).await;
    assert_eq!(bed.get(0, "ali").unwrap().finalizers(), [FINALIZER]);
    bed.delete(0, "ali");
    bed.settle().await;
    assert_eq!((bed.get(0, "ali"), bed.get(1, "ali")), (None, None));
}

/// The next of a sequence that looks like chance (xorshift), the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % bound
    }
}

#[tokio::test(start_paused = true)]
async fn many_deletions_are_stopped() {
    let mut bed = Bed::new().await;
    let names: Vec<String> = (0..16).map(|number| format!("many{number:02}")).collect();
    for name in &names {
        bed.write(0, name, "1Gi");
    }
    bed.settle().await;
    for name in &names {
        bed.delete(1, name);
    }
    bed.settle().await;
    assert!(bed.sizes(1).is_empty());
    let left = bed.sizes(0);
    assert_eq!(left.len(), 6);
    assert!(left.iter().all(|(name, _)| bed.says(0, name) == "MassDeletion"));
}

#[tokio::test(start_paused = true)]
async fn without_another_site_what_was_deleted_goes() {
    let mut bed = Bed::new().await;
    bed.write(0, "ali", "1Gi");
    // The other site has not noted it when the line is cut.
    bed.pass(0).await;
    bed.pass(1).await;
    bed.pass(0).await;
    bed.delete(0, "ali");
    assert!(bed.get(0, "ali").is_some(), "it is held");
    bed.sites[0].context.certificate.forget();
    bed.restart(0);
    bed.pass(0).await;
    assert_eq!(bed.get(0, "ali"), None);
    assert!(
        bed.sites[1]
            .server
            .get::<govuc_api::Mailbox>(Some(NAMESPACE), "ali")
            .is_some()
    );
}
