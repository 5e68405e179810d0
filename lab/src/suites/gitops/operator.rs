//! What operators write on agencies and mailboxes, by their field managers, for clusters that have none.

use serde_json::{Value, json};

use super::objects::{AGENCY_NAMESPACE, Object, present};
use crate::network::Site;
use crate::service::Kubectl;

/// As `src/mirror` and `src/cluster` have them.
const MIRROR: &str = "1govuc.gov.my/mirror";
const TIME: &str = "2026-11-27T08:00:00Z";

/// What an operator says of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Ready,
    Progressing,
    Stalled,
    /// An agency's, before the decision.
    AwaitingApproval,
}

impl State {
    fn conditions(self, generation: &Value) -> Value {
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({"type": kind, "status": status, "reason": reason, "message": message,
                   "observedGeneration": generation, "lastTransitionTime": TIME})
        };
        match self {
            State::Ready => json!([condition("Ready", "True", "AllReady", "")]),
            State::Progressing => {
                let (reason, message) = (
                    "AwaitingLead",
                    "the lead site makes the account; it has not arrived here",
                );
                json!([
                    condition("Ready", "Unknown", reason, message),
                    condition("Reconciling", "True", reason, message),
                ])
            }
            State::Stalled => {
                let (reason, message) = (
                    "AddressTaken",
                    "address ali@kkr.gov.my is mailbox kkr/ali's: choose another",
                );
                json!([
                    condition("Ready", "False", reason, message),
                    condition("Stalled", "True", reason, message),
                ])
            }
            State::AwaitingApproval => {
                let message = "nothing is made before approval: an approver runs kubectl govuc approve kkr";
                json!([condition("Ready", "False", "AwaitingApproval", message)])
            }
        }
    }
}

/// Says of the present generation how it is.
pub fn say(kubectl: &Kubectl, site: Site, object: &Object, state: State) -> anyhow::Result<()> {
    let seen = present(kubectl, site, object)?;
    let generation = &seen["metadata"]["generation"];
    let status = json!({"observedGeneration": generation, "conditions": state.conditions(generation)});
    write_status(kubectl, site, &seen, "govuc", status)
}

/// Holds the object and notes what was agreed on: what every object has that was mirrored.
pub fn note(kubectl: &Kubectl, site: Site, object: &Object) -> anyhow::Result<()> {
    let mut seen = present(kubectl, site, object)?;
    carry(&mut seen);
    replace(kubectl, site, &seen)?;
    give_up(kubectl, site, object)?;
    let finalizers = json!({
        "apiVersion": seen["apiVersion"], "kind": seen["kind"],
        "metadata": {"name": seen["metadata"]["name"], "namespace": seen["metadata"]["namespace"],
                     "finalizers": ["1govuc.gov.my/operator"]},
    });
    apply(kubectl, site, "govuc-finalizer", &finalizers, &[])?;
    let seen = present(kubectl, site, object)?;
    let mirrored = json!({"conditions": [{
        "type": "Mirrored", "status": "True", "reason": "SameAtBothSites", "message": "",
        "observedGeneration": seen["metadata"]["generation"], "lastTransitionTime": TIME,
    }]});
    write_status(kubectl, site, &seen, "govuc-mirror", mirrored)
}

/// What it owns of the spec, as it does with its note.
fn give_up(kubectl: &Kubectl, site: Site, object: &Object) -> anyhow::Result<()> {
    let seen = present(kubectl, site, object)?;
    let mut fields = seen["metadata"]["managedFields"].clone();
    for entry in fields.as_array_mut().into_iter().flatten() {
        if entry["manager"] == "govuc-mirror" {
            entry["fieldsV1"]
                .as_object_mut()
                .map(|owned| owned.remove("f:spec"));
        }
    }
    let change = json!({"metadata": {"managedFields": fields}}).to_string();
    let how = [
        "patch",
        "--field-manager=govuc-mirror",
        "--type=merge",
        "-p",
        &change,
    ];
    kubectl.run(site, &[&how[..], &object.words()].concat())?;
    Ok(())
}

/// Makes an object that the other site has.
pub fn make(kubectl: &Kubectl, site: Site, object: &Value) -> anyhow::Result<()> {
    let mut made = object.clone();
    carry(&mut made);
    let words = ["create", "--field-manager=govuc-mirror", "-f", "-"];
    kubectl.run_with(site, &words, &made.to_string())?;
    Ok(())
}

/// Takes the spec that the other site has.
pub fn take(kubectl: &Kubectl, site: Site, object: &Object, spec: &Value) -> anyhow::Result<()> {
    let mut seen = present(kubectl, site, object)?;
    seen["spec"] = spec.clone();
    carry(&mut seen);
    replace(kubectl, site, &seen)
}

/// Lets go of what was deleted.
pub fn release(kubectl: &Kubectl, site: Site, object: &Object) -> anyhow::Result<()> {
    let mut seen = present(kubectl, site, object)?;
    seen["metadata"]["finalizers"] = json!([]);
    replace(kubectl, site, &seen)
}

/// The namespace of an approved agency, with what admission asks for.
pub fn agency_namespace(kubectl: &Kubectl, site: Site) -> anyhow::Result<()> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": AGENCY_NAMESPACE}});
    let policy = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "govuc-policy", "namespace": AGENCY_NAMESPACE},
        "data": {"domains": "kkr.gov.my,works.gov.my", "quotaCeiling": "50Gi"},
    });
    apply(kubectl, site, "govuc", &namespace, &[])?;
    apply(kubectl, site, "govuc", &policy, &[])
}

fn carry(object: &mut Value) {
    let record = json!({"cluster": "77c1", "partner": "2f0e", "agreed": {"hash": "1:00", "number": 1}, "confirmed": true});
    object["metadata"]["annotations"][MIRROR] = json!(record.to_string());
    let held = object["metadata"]["finalizers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if !held.contains(&json!(MIRROR)) {
        object["metadata"]["finalizers"] = [held, vec![json!(MIRROR)]].concat().into();
    }
}

fn replace(kubectl: &Kubectl, site: Site, object: &Value) -> anyhow::Result<()> {
    let mut object = object.clone();
    // As a typed client has it.
    object["metadata"]
        .as_object_mut()
        .map(|metadata| metadata.remove("managedFields"));
    let words = ["replace", "--field-manager=govuc-mirror", "-f", "-"];
    kubectl.run_with(site, &words, &object.to_string())?;
    Ok(())
}

fn write_status(
    kubectl: &Kubectl,
    site: Site,
    seen: &Value,
    manager: &str,
    status: Value,
) -> anyhow::Result<()> {
    let body = json!({
        "apiVersion": seen["apiVersion"], "kind": seen["kind"],
        "metadata": {"name": seen["metadata"]["name"], "namespace": seen["metadata"]["namespace"]},
        "status": status,
    });
    apply(kubectl, site, manager, &body, &["--subresource=status"])
}

fn apply(kubectl: &Kubectl, site: Site, manager: &str, object: &Value, more: &[&str]) -> anyhow::Result<()> {
    let manager = format!("--field-manager={manager}");
    let words = [
        &["apply", "--server-side", "--force-conflicts", &manager, "-f", "-"],
        more,
    ]
    .concat();
    kubectl.run_with(site, &words, &object.to_string())?;
    Ok(())
}
