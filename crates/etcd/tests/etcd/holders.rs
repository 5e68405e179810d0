//! Following who holds the stores.

use govuc_etcd::{
    Etcd,
    roles::{Holders, Roles},
    testbed::Testbed,
};

use crate::{
    LIMIT,
    store::{begun, claim, handed_over, of, store, take},
};

/// Waits until the stores are known to be held so, and etcd to be followed or not.
async fn known(holders: &Holders, current: bool, wanted: &[(&str, u64, Option<&str>)]) {
    let mut holders = holders.clone();
    let seen = |holders: &Holders| {
        let known = holders.known();
        let stores: Vec<_> = known
            .stores
            .iter()
            .map(|(store, held)| {
                let site = held.site.as_ref().map(|site| site.as_str().to_owned());
                (store.as_str().to_owned(), held.ballot.term.0, site)
            })
            .collect();
        (known.is_current, stores)
    };
    let wanted = wanted
        .iter()
        .map(|(store, term, site)| ((*store).to_owned(), *term, site.map(str::to_owned)))
        .collect::<Vec<_>>();
    let arrived = async {
        while seen(&holders) != (current, wanted.clone()) {
            holders.changed().await;
        }
    };
    if tokio::time::timeout(LIMIT * 3, arrived).await.is_err() {
        panic!("{:?} and not {wanted:?}", seen(&holders));
    }
}

#[tokio::test]
async fn holders_are_followed_and_remembered_while_etcd_is_away() {
    let mut bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let roles = begun(&etcd).await;
    let (one, two) = (store("mail-1"), store("mail-2"));
    let mine = claim("pdsa1", 1);
    let mut held = take(&roles, &one, &mine).await.unwrap();
    let holders = Roles::new(etcd).watch_holders();
    known(&holders, true, &[("mail-1", 1, Some("pdsa1"))]).await;
    assert_eq!(holders.of(&one).unwrap().site.unwrap().as_str(), "pdsa1");
    assert_eq!(holders.of(&two), None);
    take(&roles, &two, &claim("pdsa2", 3)).await.unwrap();
    known(
        &holders,
        true,
        &[("mail-1", 1, Some("pdsa1")), ("mail-2", 3, Some("pdsa2"))],
    )
    .await;
    let leaving = govuc_roles::Transaction {
        hand_over: true,
        ..of(handed_over(mine))
    };
    roles.commit(&mut held, &leaving, LIMIT).await.unwrap();
    known(
        &holders,
        true,
        &[("mail-1", 1, None), ("mail-2", 3, Some("pdsa2"))],
    )
    .await;

    bed.kill(0);
    known(
        &holders,
        false,
        &[("mail-1", 1, None), ("mail-2", 3, Some("pdsa2"))],
    )
    .await;
    bed.start_member(0);
    bed.ready(0).await;
    take(&roles, &one, &claim("pdsa2", 2)).await.unwrap();
    known(
        &holders,
        true,
        &[("mail-1", 2, Some("pdsa2")), ("mail-2", 3, Some("pdsa2"))],
    )
    .await;
}
