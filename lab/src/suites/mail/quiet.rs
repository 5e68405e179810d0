//! In steady state the operator writes nothing: counted by the API servers themselves.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::network::Site;
use crate::service::Service;

/// Whose writes count.
pub(in crate::suites) const OPERATOR: &str = "system:serviceaccount:govuc-system:govuc";

/// What the changes of before still lead to, such as a used first password at the other site, comes within this.
const SETTLING: Duration = Duration::from_secs(45);

/// Nobody changes anything for `period`; the audit logs of both sites then hold no write of the operator. The renewals
/// of its own lease are left out: they are how two replicas agree which of them works.
pub async fn the_operator_writes_nothing(service: &Service, period: Duration) -> anyhow::Result<String> {
    tokio::time::sleep(SETTLING).await;
    let before = written(service)?;
    tokio::time::sleep(period).await;
    let after = written(service)?;
    for (what, count) in &after {
        let more = count - before.get(what).copied().unwrap_or_default();
        ensure!(more == 0, "{more} writes of {what} within {period:?}");
    }
    let sum: usize = before.values().sum();
    ensure!(
        sum > 0,
        "the audit logs name no write of {OPERATOR} at all, so nothing was proven"
    );
    Ok(format!(
        "0 in {} s, after {sum} to bring everything up",
        period.as_secs()
    ))
}

/// How often the operator wrote what, since the start of the logs that are kept.
fn written(service: &Service) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    for site in Site::DATA_CENTRES {
        let path = service.lab.folder.site(site).log("audit");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for line in text.lines() {
            // The last line may be half written.
            let Ok(event) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            if let Some(what) = write_of_operator(&event) {
                *counts.entry(format!("{site}: {what}")).or_default() += 1;
            }
        }
    }
    Ok(counts)
}

/// Verb and resource, if this event is a write by the operator that counts.
fn write_of_operator(event: &Value) -> Option<String> {
    let verb = event["verb"].as_str()?;
    let resource = event["objectRef"]["resource"].as_str()?;
    let counts = event["user"]["username"] == OPERATOR
        && event["stage"] == "ResponseComplete"
        && ["create", "update", "patch", "delete", "deletecollection"].contains(&verb)
        && resource != "leases";
    counts.then(|| format!("{verb} {resource}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(user: &str, verb: &str, resource: &str) -> Value {
        json!({"stage": "ResponseComplete", "verb": verb, "user": {"username": user}, "objectRef": {"resource": resource}})
    }

    #[test]
    fn writes_of_the_operator_count_and_nothing_else_does() {
        assert_eq!(
            write_of_operator(&event(OPERATOR, "patch", "mailboxes")),
            Some("patch mailboxes".into())
        );
        assert_eq!(write_of_operator(&event(OPERATOR, "update", "leases")), None);
        assert_eq!(write_of_operator(&event(OPERATOR, "get", "mailboxes")), None);
        assert_eq!(write_of_operator(&event("admin", "patch", "mailboxes")), None);
    }
}
