//! A member of the roles' etcd that has lost its disk.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use govuc_wire::names::MAIL_NAMESPACE;
use serde_json::Value;

use super::roles::both_platforms_say_that_roles_are_ready;
use crate::network::Site;
use crate::service::{Service, witness};

/// A pod with an empty volume looks for a minute before it says so, and each operator looks every half minute.
const REPLACED: Duration = Duration::from_secs(300);
const PERIOD: Duration = Duration::from_secs(1);

/// It is replaced by the operator of its site, as a new member, and all that was known is known.
pub async fn a_member_that_has_lost_its_disk_is_replaced(service: &Service) -> anyhow::Result<String> {
    both_platforms_say_that_roles_are_ready(service).await?;
    let before = voters(service)?;
    ensure!(before.len() == 3, "the voters are {before:?}");
    let states = ["get", "--prefix", "/govuc/stores", "--keys-only"];
    let known = witness::etcdctl(service, &states)?;
    ensure!(known.contains("/state"), "etcd knows no store: {known}");
    let start = Instant::now();
    service.kubectl.run(
        Site::Pdsa2,
        &["-n", MAIL_NAMESPACE, "delete", "pvc/roles", "pod/roles-0"],
    )?;
    let replaced = loop {
        // A leader that is chosen anew answers nobody for a moment.
        let now = voters(service).unwrap_or_default();
        if now.len() == 3 && now != before {
            break start.elapsed();
        }
        ensure!(
            start.elapsed() < REPLACED,
            "the voters were {before:?} and are {now:?}"
        );
        tokio::time::sleep(PERIOD).await;
    };
    let after = voters(service)?;
    ensure!(
        before.intersection(&after).count() == 2,
        "more than one was replaced: {before:?}, {after:?}"
    );
    both_platforms_say_that_roles_are_ready(service).await?;
    let known_after = witness::etcdctl(service, &states)?;
    ensure!(known == known_after, "etcd knew {known} and knows {known_after}");
    Ok(format!("a new one votes after {:.0} s", replaced.as_secs_f64()))
}

/// The ids of the members that vote.
fn voters(service: &Service) -> anyhow::Result<BTreeSet<u64>> {
    let told = witness::etcdctl(service, &["member", "list", "-w", "json"])?;
    let told: Value = serde_json::from_str(&told)?;
    let members = told["members"].as_array().context("no members")?;
    let voters = members.iter().filter(|member| member["isLearner"] != true);
    voters
        .map(|member| member["ID"].as_u64().context("a member without an id"))
        .collect()
}
