//! What the sites' Platforms say, as two operators put it.

use std::collections::BTreeMap;

use govuc_etcd::{Error, Etcd, Revision, roles::Roles, testbed::Testbed};
use govuc_roles::record::SiteRecord;

use crate::{LIMIT, store::site};

fn says(order: [&str; 2]) -> SiteRecord {
    SiteRecord {
        order: order.map(site).to_vec(),
        domain: "1govuc.gov.my".to_owned(),
        windows: BTreeMap::new(),
    }
}

#[tokio::test]
async fn each_site_reads_what_both_say_and_puts_its_own_over_what_it_has_read() {
    let bed = Testbed::start(1).await;
    let roles = Roles::new(Etcd::connect(bed.settings(), LIMIT).await.unwrap());
    assert!(roles.read_sites(LIMIT).await.unwrap().is_empty());
    let [one, two] = ["pdsa1", "pdsa2"].map(site);
    let (first, swapped) = (says(["pdsa1", "pdsa2"]), says(["pdsa2", "pdsa1"]));
    let at = roles
        .put_site(&one, &first, Revision::ABSENT, LIMIT)
        .await
        .unwrap();
    roles
        .put_site(&two, &swapped, Revision::ABSENT, LIMIT)
        .await
        .unwrap();
    let read = roles.read_sites(LIMIT).await.unwrap();
    assert_eq!(
        (&read[&one].record, read[&one].revision, &read[&two].record),
        (&first, at, &swapped)
    );
    // Another replica has put its own meanwhile.
    let late = roles.put_site(&one, &swapped, Revision::ABSENT, LIMIT).await;
    assert!(matches!(late, Err(Error::Refused(_))), "{late:?}");
    roles
        .put_site(&two, &first, read[&two].revision, LIMIT)
        .await
        .unwrap();
    assert_eq!(roles.read_sites(LIMIT).await.unwrap()[&two].record, first);
    // They are no store's.
    let all = roles.read_all(LIMIT).await.unwrap();
    assert!(all.stores.is_empty());
}
