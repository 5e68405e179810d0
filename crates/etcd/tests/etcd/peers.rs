//! Members where they speak with each other.

use govuc_etcd::{Error, peer::greet, testbed::Testbed};

use crate::{LIMIT, SHORT};

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
