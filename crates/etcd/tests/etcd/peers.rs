//! Members where they speak with each other.

use govuc_etcd::{Error, Etcd, peer::greet, testbed::Testbed};

use crate::{LIMIT, SHORT, eventually};

#[tokio::test]
async fn a_member_answers_another_one_also_without_a_leader() {
    let mut bed = Testbed::start(3).await;
    let member = bed.member_files(0).load().unwrap();
    bed.kill(0);
    greet(&bed.peer_endpoint(2), &member, LIMIT).await.unwrap();
    bed.kill(1);
    greet(&bed.peer_endpoint(2), &member, LIMIT).await.unwrap();
}

#[tokio::test]
async fn one_that_is_gone_or_frozen_does_not_answer() {
    let mut bed = Testbed::start(3).await;
    let member = bed.member_files(0).load().unwrap();
    bed.freeze(1);
    bed.kill(2);
    for silent in [1, 2] {
        let answer = greet(&bed.peer_endpoint(silent), &member, SHORT).await;
        assert!(matches!(answer, Err(Error::Unreachable(_))), "{answer:?}");
    }
    bed.thaw(1);
    bed.start_member(2);
    for back in [1, 2] {
        bed.ready(back).await;
        greet(&bed.peer_endpoint(back), &member, LIMIT).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_is_not_answered_where_members_speak() {
    let bed = Testbed::start(1).await;
    let client = bed.client_files().load().unwrap();
    let answer = greet(&bed.peer_endpoint(0), &client, LIMIT).await;
    assert!(matches!(answer, Err(Error::Unreachable(_))), "{answer:?}");
}

#[tokio::test]
async fn a_leader_hands_over_to_another_member_and_nobody_else_does() {
    let bed = Testbed::start(3).await;
    let etcd = Etcd::new(bed.settings()).unwrap();
    let mut members = Vec::new();
    for member in 0..3 {
        members.push(etcd.status(&bed.endpoint(member), LIMIT).await.unwrap());
    }
    let leader = members
        .iter()
        .position(|status| status.leader == Some(status.member))
        .unwrap();
    let (next, third) = ((leader + 1) % 3, (leader + 2) % 3);
    let to = members[next].member;
    let refused = etcd.move_leader(&bed.endpoint(third), to, LIMIT).await;
    assert!(matches!(refused, Err(Error::Rejected { .. })), "{refused:?}");
    etcd.move_leader(&bed.endpoint(leader), to, LIMIT).await.unwrap();
    eventually("the other one leads", async || {
        let status = etcd.status(&bed.endpoint(third), LIMIT).await.unwrap();
        status.leader == Some(to)
    })
    .await;
}
