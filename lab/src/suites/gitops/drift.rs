//! Who wins, and that nothing is written when there is nothing to win.

use anyhow::ensure;
use serde_json::{Value, json};

use super::field::{AGENCIES, Field, HOME, MAILBOXES};
use super::objects::{AGENCY, Object, mailbox, version};
use super::operator::{self, State};

/// How often everything is applied again while nothing may be written.
const TIMES: usize = 4;

/// Applies a folder again and again; the object must not change by it.
async fn stays(field: &Field, folder: &str, object: &Object) -> anyhow::Result<Value> {
    let before = field.present(HOME, object)?;
    for round in 1..=TIMES {
        let said = field.flux(HOME).reconcile(folder).await?;
        ensure!(said.ready == "True", "{said:?}");
        let after = field.present(HOME, object)?;
        ensure!(
            version(&after) == version(&before),
            "reconcile {round} wrote {object:?}: {} became {}, managed by {}",
            before["metadata"],
            after["metadata"],
            after["metadata"]["managedFields"]
        );
    }
    Ok(before)
}

fn patch(field: &Field, object: &Object, patch: &Value) -> anyhow::Result<()> {
    let patch = patch.to_string();
    let words = [&["patch", "--type=merge", "-p", &patch], &object.words()[..]].concat();
    field.kubectl.run(HOME, &words)?;
    Ok(())
}

pub async fn an_edit_by_hand_is_put_back(field: &Field) -> anyhow::Result<String> {
    let name = "edited";
    let object = field.settle(name, Some("2Gi")).await?;
    patch(
        field,
        &object,
        &json!({"spec": {"quota": {"size": "9Gi"}, "aliases": ["more@kkr.gov.my"]}}),
    )?;
    field.flux(HOME).reconcile_soon(MAILBOXES)?;
    field
        .seen(HOME, &object, |found| found["spec"]["quota"]["size"] == "2Gi")
        .await?;
    let found = field.present(HOME, &object)?;
    ensure!(
        found["spec"]["aliases"] == json!([]),
        "what was added by hand stays: {}",
        found["spec"]
    );
    ensure!(
        found["metadata"]["annotations"]["1govuc.gov.my/mirror"].is_string()
            && !found["metadata"]["finalizers"].is_null(),
        "what the operator added went with it: {}",
        found["metadata"]
    );
    Ok("a field of the source, and one that it does not have".to_owned())
}

/// So two sources that differ would never come to rest.
pub async fn what_the_mirror_brought_and_the_source_has_otherwise_is_put_back(
    field: &Field,
) -> anyhow::Result<String> {
    let name = "brought";
    let object = field.settle(name, Some("2Gi")).await?;
    let mut spec = field.present(HOME, &object)?["spec"].clone();
    spec["quota"] = json!({"size": "5Gi"});
    operator::take(&field.kubectl, HOME, &object, &spec)?;
    field.flux(HOME).reconcile_soon(MAILBOXES)?;
    field
        .seen(HOME, &object, |found| found["spec"]["quota"]["size"] == "2Gi")
        .await?;
    field.say(HOME, &object, State::Ready)?;
    stays(field, MAILBOXES, &object).await?;
    Ok("and then nothing is written".to_owned())
}

pub async fn what_the_operator_adds_to_an_object_is_no_drift(field: &Field) -> anyhow::Result<String> {
    for (folder, object) in [
        (AGENCIES, Object::Agency(AGENCY.to_owned())),
        (MAILBOXES, Object::mailbox("ali-ahmad")),
        (MAILBOXES, Object::mailbox("mei-ling")),
    ] {
        let seen = stays(field, folder, &object).await?;
        let finalizers = seen["metadata"]["finalizers"].as_array().map_or(0, Vec::len);
        ensure!(
            seen["metadata"]["annotations"]["1govuc.gov.my/mirror"].is_string()
                && finalizers == 2
                && seen["status"]["conditions"]
                    .as_array()
                    .is_some_and(|all| all.len() == 2),
            "the operator has not added everything, so nothing was shown: {seen}"
        );
    }
    Ok(format!(
        "an agency and two mailboxes, {TIMES} reconciles each, no write"
    ))
}

pub async fn an_approval_is_no_drift(field: &Field) -> anyhow::Result<String> {
    let seen = stays(field, AGENCIES, &Object::Agency(AGENCY.to_owned())).await?;
    ensure!(
        seen["spec"]["approval"]["decision"] == "Approved",
        "it is not approved: {}",
        seen["spec"]
    );
    Ok("of kubectl govuc approve".to_owned())
}

/// Flux makes its own whatever a manager called kubectl wrote, and then gives it up as the source does not have it; an approval it may
/// not give up. The decision stands, and the remedy is that of the refusal.
pub async fn an_approval_by_kubectl_patch_stops_the_pipeline_until_it_is_given_anew(
    field: &Field,
) -> anyhow::Result<String> {
    let agency = Object::Agency(AGENCY.to_owned());
    let approve = ["approve", AGENCY, "--context", HOME.name()];
    let approval = field.present(HOME, &agency)?["spec"]["approval"].clone();
    field.kubectl.govuc(&[&approve[..], &["--withdraw"]].concat())?;
    patch(field, &agency, &json!({"spec": {"approval": approval}}))?;
    field.say(HOME, &agency, State::Ready)?;
    for _ in 0..2 {
        let said = field.flux(HOME).reconcile(AGENCIES).await?;
        ensure!(
            said.ready == "False"
                && said
                    .message
                    .contains("have an approver run: kubectl govuc approve kkr"),
            "{said:?}"
        );
        let found = field.present(HOME, &agency)?;
        ensure!(
            found["spec"]["approval"] == approval,
            "the pipeline changed the approval: {}",
            found["spec"]
        );
    }
    field.kubectl.govuc(&approve)?;
    field.say(HOME, &agency, State::Ready)?;
    let said = field.flux(HOME).reconcile(AGENCIES).await?;
    ensure!(said.ready == "True", "it was approved anew, and {said:?}");
    let kept = stays(field, AGENCIES, &agency).await?;
    ensure!(
        kept["spec"]["approval"]["decision"] == "Approved",
        "it went with the pipeline's: {}",
        kept["spec"]
    );
    Ok("by kubectl govuc approve; the decision itself stood all the time".to_owned())
}

/// The same source in both clusters, and the mirror was faster: the pipeline becomes an owner besides, and that is all.
pub async fn what_the_mirror_brought_first_is_taken_over_without_a_change(
    field: &Field,
) -> anyhow::Result<String> {
    let name = "early";
    let object = Object::mailbox(name);
    // As the API server has it at the other site: with every default.
    field.settle("late", None).await?;
    let mut spec = field.present(HOME, &Object::mailbox("late"))?["spec"].clone();
    spec["address"] = json!("early@kkr.gov.my");
    spec["individual"]["staffNumber"] = json!("T-EARLY");
    spec["individual"]["name"] = json!(name);
    let mut made = mailbox(name, None);
    made["spec"] = spec.clone();
    operator::make(&field.kubectl, HOME, &made)?;
    field.say(HOME, &object, State::Ready)?;
    let first = field.present(HOME, &object)?;
    let revision = field.write(name, None).await?;
    field.flux(HOME).ready(MAILBOXES, &revision).await?;
    let after = field.present(HOME, &object)?;
    ensure!(
        after["spec"] == first["spec"] && after["metadata"]["generation"] == first["metadata"]["generation"],
        "the pipeline changed {} into {}",
        first["spec"],
        after["spec"]
    );
    stays(field, MAILBOXES, &object).await?;
    Ok("its generation stays, and later reconciles write nothing".to_owned())
}

/// The mirror wrote a field here. The same comes from the source, which Flux does not apply, since it is there; and so it owns nothing of
/// it. It goes with the mirror's next write, from a site where Flux has applied it.
pub async fn a_field_that_the_mirror_wrote_stays_when_it_goes_from_the_source(
    field: &Field,
) -> anyhow::Result<String> {
    let name = "owned";
    let object = field.settle(name, None).await?;
    let without = field.present(HOME, &object)?["spec"].clone();
    let mut with = without.clone();
    with["quota"] = json!({"size": "5Gi"});
    operator::take(&field.kubectl, HOME, &object, &with)?;
    field.settle(name, Some("5Gi")).await?;
    let revision = field.write(name, None).await?;
    field.flux(HOME).ready(MAILBOXES, &revision).await?;
    let kept = stays(field, MAILBOXES, &object).await?;
    ensure!(
        kept["spec"] == with,
        "the mirror wrote {with}, and there is {}",
        kept["spec"]
    );
    operator::take(&field.kubectl, HOME, &object, &without)?;
    field.say(HOME, &object, State::Ready)?;
    let gone = stays(field, MAILBOXES, &object).await?;
    ensure!(
        gone["spec"] == without,
        "the mirror took it away, and there is {}",
        gone["spec"]
    );
    Ok("and is no drift; it goes when the mirror takes it away".to_owned())
}
