//! A member that has lost its volume, and how it comes back.

use std::time::Duration;

use govuc_etcd::{
    Error, Etcd, LeaseId, MemberId, MemberRecord, Operation, Revision, Txn,
    replacement::{Course, Place, Step, Wait},
    testbed::Testbed,
};

use crate::{LIMIT, eventually};

/// Three members of which the second is the one that everything happens to.
const LOST: usize = 1;
const OTHERS: [usize; 2] = [0, 2];

/// Whoever replaces members knows of them no more than this.
struct Keeper {
    etcd: Etcd,
    lost: Option<MemberId>,
}

impl Keeper {
    /// A new one, as after a crash: nothing is known but which member was found empty.
    fn new(bed: &Testbed, lost: Option<MemberId>) -> Self {
        Self {
            etcd: Etcd::new(bed.settings_of(&OTHERS)).unwrap(),
            lost,
        }
    }

    async fn course(&self, bed: &Testbed) -> Course {
        let members = self.etcd.members(LIMIT).await.unwrap();
        let url = bed.peer_url(LOST);
        let mut others_are_well = true;
        for other in OTHERS {
            others_are_well &= leads_to_somebody(&self.etcd, bed, other).await;
        }
        let place = Place {
            peer_url: &url,
            lost: self.lost,
            answers: leads_to_somebody(&self.etcd, bed, LOST).await,
            others_are_well,
        };
        place.course(&members)
    }

    /// Takes the next step as soon as etcd lets it.
    async fn step(&self, bed: &Testbed, wanted: impl Fn(Step) -> bool) {
        eventually("the step is taken", async || match self.course(bed).await {
            Course::Next(step) => {
                assert!(wanted(step), "{step}");
                let taken = self.etcd.take(step, &bed.peer_url(LOST), LIMIT).await;
                // Right after a change, and until a learner has caught up, it is refused, and tried at the next look.
                assert!(matches!(taken, Ok(()) | Err(Error::Rejected { .. })), "{taken:?}");
                taken.is_ok()
            }
            Course::Waits(_) => false,
            Course::Whole => panic!("there is nothing to do"),
        })
        .await;
    }
}

async fn leads_to_somebody(etcd: &Etcd, bed: &Testbed, member: usize) -> bool {
    let status = etcd.status(&bed.endpoint(member), Duration::from_secs(2)).await;
    status.is_ok_and(|status| status.leader.is_some())
}

async fn record(etcd: &Etcd, bed: &Testbed, member: usize) -> Option<MemberRecord> {
    let members = etcd.members(LIMIT).await.unwrap();
    let url = bed.peer_url(member);
    members.into_iter().find(|record| record.peer_urls.contains(&url))
}

async fn write(etcd: &Etcd, key: &str) {
    let put = Operation::Put {
        key: key.to_owned(),
        value: "v".into(),
        lease: None,
    };
    let txn = Txn {
        then: vec![put],
        ..Txn::default()
    };
    etcd.txn(&txn, LIMIT).await.unwrap();
}

/// Three members, a key, and then the second one's volume is gone.
async fn emptied() -> (Testbed, MemberId) {
    let mut bed = Testbed::start(3).await;
    let keeper = Keeper::new(&bed, None);
    write(&keeper.etcd, "/before").await;
    let lost = record(&keeper.etcd, &bed, LOST).await.unwrap().id;
    bed.empty(LOST);
    (bed, lost)
}

/// Three voters, each of which has every key.
async fn is_whole(bed: &Testbed, keys: &[&str]) {
    for member in 0..3 {
        let etcd = Etcd::new(bed.settings_of(&[member])).unwrap();
        let members = etcd.members(LIMIT).await.unwrap();
        assert_eq!(members.len(), 3);
        assert!(
            members
                .iter()
                .all(|record| record.has_started() && !record.is_learner),
            "{members:?}"
        );
        let kept = etcd.range("/", LIMIT).await.unwrap();
        let found: Vec<&str> = kept.reads[0].iter().map(|kv| kv.key.as_str()).collect();
        assert_eq!(found, keys, "member {member}");
    }
}

#[tokio::test]
async fn an_emptied_member_is_replaced_and_has_all_that_there_was() {
    let (mut bed, lost) = emptied().await;
    // At each step another keeper, as if the one before had crashed after it.
    let removes = |step| step == Step::Remove(lost);
    Keeper::new(&bed, Some(lost)).step(&bed, removes).await;
    let keeper = Keeper::new(&bed, Some(lost));
    write(&keeper.etcd, "/meanwhile").await;
    keeper.step(&bed, |step| step == Step::Add).await;
    let place = record(&keeper.etcd, &bed, LOST).await.unwrap();
    assert!(place.is_learner && !place.has_started() && place.id != lost);
    let keeper = Keeper::new(&bed, Some(lost));
    assert_eq!(keeper.course(&bed).await, Course::Waits(Wait::ForStart));
    bed.join_member(LOST);
    let promotes = |step| step == Step::Promote(place.id);
    Keeper::new(&bed, Some(lost)).step(&bed, promotes).await;
    let keeper = Keeper::new(&bed, Some(lost));
    assert_eq!(keeper.course(&bed).await, Course::Whole);
    bed.ready(LOST).await;
    is_whole(&bed, &["/before", "/meanwhile"]).await;
    // It counts: with another one gone it is the majority.
    bed.kill(0);
    bed.ready(LOST).await;
    write(&Etcd::new(bed.settings_of(&[LOST, 2])).unwrap(), "/after").await;
}

#[tokio::test]
async fn a_step_that_was_taken_already_is_refused_and_changes_nothing() {
    let (mut bed, lost) = emptied().await;
    let keeper = Keeper::new(&bed, Some(lost));
    let url = bed.peer_url(LOST);
    let again = async |step: Step| {
        let taken = keeper.etcd.take(step, &url, LIMIT).await;
        assert!(matches!(taken, Err(Error::Rejected { .. })), "{step}: {taken:?}");
    };
    keeper.step(&bed, |step| step == Step::Remove(lost)).await;
    again(Step::Remove(lost)).await;
    keeper.step(&bed, |step| step == Step::Add).await;
    again(Step::Add).await;
    let place = record(&keeper.etcd, &bed, LOST).await.unwrap().id;
    // Nobody is there yet.
    again(Step::Promote(place)).await;
    bed.join_member(LOST);
    keeper.step(&bed, |step| step == Step::Promote(place)).await;
    again(Step::Promote(place)).await;
    bed.ready(LOST).await;
    is_whole(&bed, &["/before"]).await;
}

#[tokio::test]
async fn a_learner_that_is_emptied_before_it_votes_is_replaced_again() {
    let (mut bed, lost) = emptied().await;
    let keeper = Keeper::new(&bed, Some(lost));
    keeper.step(&bed, |step| step == Step::Remove(lost)).await;
    keeper.step(&bed, |step| step == Step::Add).await;
    bed.join_member(LOST);
    eventually("the learner has started", async || {
        let record = record(&keeper.etcd, &bed, LOST).await;
        record.is_some_and(|record| record.has_started())
    })
    .await;
    let first = record(&keeper.etcd, &bed, LOST).await.unwrap().id;
    bed.empty(LOST);
    let keeper = Keeper::new(&bed, Some(first));
    keeper.step(&bed, |step| step == Step::Remove(first)).await;
    keeper.step(&bed, |step| step == Step::Add).await;
    bed.join_member(LOST);
    keeper.step(&bed, |step| matches!(step, Step::Promote(_))).await;
    bed.ready(LOST).await;
    is_whole(&bed, &["/before"]).await;
}

#[tokio::test]
async fn whoever_asks_a_learner_first_is_answered_by_the_next() {
    let (mut bed, lost) = emptied().await;
    // One that knew the member from before, as a guard does.
    let near = Etcd::new(bed.settings_of(&[LOST, 0, 2])).unwrap();
    let lease = LeaseId::random();
    near.grant(lease, Duration::from_secs(60), LIMIT).await.unwrap();
    let keeper = Keeper::new(&bed, Some(lost));
    keeper.step(&bed, |step| step == Step::Remove(lost)).await;
    keeper.step(&bed, |step| step == Step::Add).await;
    bed.join_member(LOST);
    eventually("the learner follows", async || {
        leads_to_somebody(&keeper.etcd, &bed, LOST).await
    })
    .await;
    // Whoever failed is passed over for a while, so each asks anew.
    for _ in 0..2 {
        let near = Etcd::new(bed.settings_of(&[LOST, 0, 2])).unwrap();
        write(&near, "/by-the-next").await;
        let near = Etcd::new(bed.settings_of(&[LOST, 0, 2])).unwrap();
        assert!(near.keep_alive_once(lease, LIMIT).await.unwrap().is_some());
        let near = Etcd::new(bed.settings_of(&[LOST, 0, 2])).unwrap();
        near.members(LIMIT).await.unwrap();
        let near = Etcd::new(bed.settings_of(&[LOST, 0, 2])).unwrap();
        near.watch("/", Revision(1), LIMIT).await.unwrap();
    }
}

#[tokio::test]
async fn with_another_one_away_there_is_no_list_to_go_by_and_all_goes_on_when_it_is_back() {
    let (bed, lost) = emptied().await;
    let keeper = Keeper::new(&bed, Some(lost));
    bed.freeze(2);
    let listed = keeper.etcd.members(Duration::from_secs(3)).await;
    assert!(listed.is_err(), "{listed:?}");
    // What is asked of etcd all the same may be done once there is a majority; the list tells then, as always.
    let url = bed.peer_url(LOST);
    let taken = keeper
        .etcd
        .take(Step::Remove(lost), &url, Duration::from_secs(3))
        .await;
    assert!(
        matches!(taken, Err(Error::Unknown(_) | Error::Unreachable(_))),
        "{taken:?}"
    );
    bed.thaw(2);
    bed.ready(0).await;
    if record(&keeper.etcd, &bed, LOST).await.is_some() {
        keeper.step(&bed, |step| step == Step::Remove(lost)).await;
    }
    keeper.step(&bed, |step| step == Step::Add).await;
}

#[tokio::test]
async fn etcd_makes_no_place_while_one_of_those_who_vote_is_away() {
    let mut bed = Testbed::start(3).await;
    let keeper = Keeper::new(&bed, None);
    bed.kill(LOST);
    // Its health interval: until then it takes the member for connected.
    eventually("the addition is refused", async || {
        let added = keeper.etcd.add_learner("https://127.0.0.9:2380", LIMIT).await;
        match added {
            Err(Error::Rejected { message, .. }) => message.contains("unhealthy"),
            Ok(record) => {
                keeper.etcd.remove_member(record.id, LIMIT).await.unwrap();
                false
            }
            Err(error) => panic!("{error}"),
        }
    })
    .await;
    assert_eq!(keeper.course(&bed).await, Course::Whole);
}
