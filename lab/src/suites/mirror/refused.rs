//! What one site's API server takes and the other one's does not.

use anyhow::{Context, ensure};
use serde_json::json;

use super::object::{
    LATER, NAMESPACE, SOON, Wanted, apply, at_both, at_none, condition, delete, mailbox, read, resize, size,
};
use crate::network::Site;
use crate::service::Service;

const POLICY: &str = "mirror-test-no-13gi";
const REFUSED: &str = "13Gi";

/// A policy of one site refuses an edit made at the other one: it is said there, with the policy's words, and nothing is lost.
pub async fn an_edit_that_the_other_site_refuses_is_told_where_it_was_made(
    service: &Service,
) -> anyhow::Result<String> {
    let (site, other) = (Site::Pdsa1, Site::Pdsa2);
    apply(service, site, &mailbox("refused", "1Gi"))?;
    at_both(service, "refused", "1Gi", SOON).await?;
    for object in policy() {
        apply(service, other, &object)?;
    }
    let told = told(service, site, other).await;
    let words = ["validatingadmissionpolicybinding", "validatingadmissionpolicy"];
    for kind in words {
        service.kubectl.run(other, &["delete", kind, POLICY])?;
    }
    let told = told?;
    // Nothing stands in its way any more.
    let took = at_both(service, "refused", REFUSED, LATER).await?;
    delete(service, site, &["refused"])?;
    at_none(service, "refused", SOON).await?;
    Ok(format!("{told:?}; taken {took:.0} s after the policy was gone"))
}

async fn told(service: &Service, site: Site, other: Site) -> anyhow::Result<String> {
    // A policy counts from a moment after it was written; until then the edit goes through, and is taken back.
    loop {
        resize(service, site, "refused", REFUSED)?;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let there = read(service, other, "refused")?.context("it is gone")?;
        if size(&there) != REFUSED {
            break;
        }
        resize(service, site, "refused", "1Gi")?;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    }
    let wanted = Wanted {
        site,
        name: "refused",
        what: "said to be refused at the other site",
        limit: LATER,
    };
    wanted
        .wait(service, |object| {
            let said = object.and_then(|object| condition(object, "Mirrored"));
            said.is_some_and(|(_, reason, _)| reason == "RefusedAtPeer")
        })
        .await?;
    let object = read(service, site, "refused")?.context("it is gone")?;
    let (.., message) = condition(&object, "Mirrored").context("it says nothing any more")?;
    ensure!(
        message.contains("pdsa2") && message.contains("no 13Gi here"),
        "it says {message}"
    );
    Ok(message)
}

fn policy() -> [serde_json::Value; 2] {
    let api = "admissionregistration.k8s.io/v1";
    let rules = json!([{"apiGroups": ["1govuc.gov.my"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
        "resources": ["mailboxes"]}]);
    let expression = format!("!has(object.spec.quota) || string(object.spec.quota.size) != '{REFUSED}'");
    [
        json!({
            "apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": POLICY},
            "spec": {
                "matchConstraints": {"resourceRules": rules},
                "validations": [{"expression": expression, "message": "no 13Gi here"}],
            },
        }),
        json!({
            "apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": POLICY},
            "spec": {"policyName": POLICY, "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}}},
        }),
    ]
}
