//! Providers that die.

use govuc_directory::{Account, Directory, testbed::Testbed};
use uuid::Uuid;

use crate::{account, arrived, bootstrapped, eventually};

#[tokio::test]
async fn providers_that_died_after_conflicting_adds_come_to_hold_the_same_tree() {
    let mut bed = Testbed::start();
    let lead = bootstrapped(&bed).await;
    let ali = account("ali");
    lead.add_account(&ali).await.unwrap();
    let peer = bed.directory("pdsa2", "operator");
    arrived(&peer, ali.id).await;

    bed.stop_provider("pdsa2");
    let here = Account {
        id: Uuid::new_v4(),
        ..account("abu")
    };
    lead.add_account(&here).await.unwrap();
    bed.stop_provider("pdsa1");
    bed.start_provider("pdsa2");
    let there = Account {
        id: Uuid::new_v4(),
        ..account("abu")
    };
    peer.as_lead(1).add_account(&there).await.unwrap();
    bed.start_provider("pdsa1");

    let own = bed.directory("pdsa1", "operator");
    eventually("both providers hold the same changes", async || {
        match (own.context_csn().await, peer.context_csn().await) {
            (Ok(own), Ok(peer)) => own.reaches(&peer) && peer.reaches(&own),
            _ => false,
        }
    })
    .await;
    let of = async |directory: &Directory| {
        let mut ids: Vec<Uuid> = directory
            .accounts()
            .await
            .unwrap()
            .iter()
            .map(|record| record.account.id)
            .collect();
        ids.sort_unstable();
        ids
    };
    let mut all = [ali.id, here.id, there.id];
    all.sort_unstable();
    assert_eq!(of(&own).await, all);
    assert_eq!(of(&peer).await, all);
}

#[tokio::test]
async fn a_provider_that_was_away_and_one_that_is_gone_are_told_apart_from_an_answer() {
    let mut bed = Testbed::start();
    let lead = bootstrapped(&bed).await;
    let ali = account("ali");
    lead.add_account(&ali).await.unwrap();
    let door = bed.directory("pdsa1", "front-door");
    assert!(door.account_by_id(ali.id).await.unwrap().is_some());
    bed.stop_provider("pdsa1");
    assert!(door.account_by_id(ali.id).await.unwrap_err().is_unavailable());
    assert!(
        door.check_password(ali.id, "pertama-Rahsia-1")
            .await
            .unwrap_err()
            .is_unavailable()
    );
    bed.start_provider("pdsa1");
    assert!(door.account_by_id(ali.id).await.unwrap().is_some());
}
