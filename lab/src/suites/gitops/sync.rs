//! What Argo CD makes of our kinds: at the other site, where no Flux applies anything.

use anyhow::{Context, ensure};
use serde_json::json;

use super::argo::{Mode, Verdict};
use super::field::{Field, OTHER};
use super::objects::{AGENCY, Object, example, mailbox};
use super::operator::{self, State};

/// Applies manifests and has the operator add all it adds.
fn applied(field: &Field, mode: Mode, manifests: &str, objects: &[Object]) -> anyhow::Result<()> {
    field.argo.apply(OTHER, mode, manifests)?;
    for object in objects {
        operator::note(&field.kubectl, OTHER, object)?;
        field.say(OTHER, object, State::Ready)?;
    }
    Ok(())
}

fn delete(field: &Field, object: &Object) -> anyhow::Result<()> {
    let words = [&["delete", "--wait=false"], &object.words()[..]].concat();
    field.kubectl.run(OTHER, &words)?;
    operator::release(&field.kubectl, OTHER, object)
}

fn one(verdicts: Vec<Verdict>) -> anyhow::Result<Verdict> {
    verdicts.into_iter().next().context("argo judged nothing")
}

pub async fn argo_takes_nothing_of_the_operators_for_drift(field: &Field) -> anyhow::Result<String> {
    let agency = Object::Agency(AGENCY.to_owned());
    let mailboxes = [Object::mailbox("ali-ahmad"), Object::mailbox("mei-ling")];
    let agencies = example("agencies/kkr.yaml")?;
    let people = [
        example("mailboxes/ali-ahmad.yaml")?,
        example("mailboxes/mei-ling.yaml")?,
    ]
    .join("---\n");
    operator::agency_namespace(&field.kubectl, OTHER)?;
    for mode in Mode::ALL {
        applied(field, mode, &agencies, std::slice::from_ref(&agency))?;
        field
            .kubectl
            .govuc(&["approve", AGENCY, "--context", OTHER.name()])?;
        field.say(OTHER, &agency, State::Ready)?;
        applied(field, mode, &people, &mailboxes)?;
        let manifests = [agencies.as_str(), people.as_str()].join("---\n");
        let verdicts = field.argo.judge(OTHER, mode, &manifests)?;
        ensure!(verdicts.len() == 3, "{verdicts:?}");
        for verdict in verdicts {
            ensure!(
                verdict.sync == "Synced" && verdict.health == "Healthy",
                "{mode:?}: {} is {} and {} ({}): live {}, wanted {}",
                verdict.name,
                verdict.sync,
                verdict.health,
                verdict.message,
                verdict.live,
                verdict.predicted
            );
        }
        for object in mailboxes.iter().chain([&agency]) {
            delete(field, object)?;
            field.gone(OTHER, object).await?;
        }
    }
    Ok("an agency, its approval and two mailboxes, by client-side and server-side apply".to_owned())
}

/// The same source at both sites, and the mirror was faster.
pub async fn argo_takes_over_what_the_mirror_brought_first(field: &Field) -> anyhow::Result<String> {
    let object = Object::mailbox("early");
    let manifest = mailbox("early", Some("2Gi"));
    operator::agency_namespace(&field.kubectl, OTHER)?;
    for mode in Mode::ALL {
        operator::make(&field.kubectl, OTHER, &manifest)?;
        field.say(OTHER, &object, State::Ready)?;
        let before = field.present(OTHER, &object)?;
        field.argo.apply(OTHER, mode, &manifest.to_string())?;
        let verdict = one(field.argo.judge(OTHER, mode, &manifest.to_string())?)?;
        ensure!(
            verdict.sync == "Synced" && verdict.health == "Healthy",
            "{mode:?}: {verdict:?}"
        );
        let after = field.present(OTHER, &object)?;
        ensure!(
            after["metadata"]["generation"] == before["metadata"]["generation"],
            "{mode:?}: the pipeline changed {} into {}",
            before["spec"],
            after["spec"]
        );
        delete(field, &object)?;
        field.gone(OTHER, &object).await?;
    }
    Ok("without a change of its spec".to_owned())
}

pub async fn argo_sees_an_edit_by_hand(field: &Field) -> anyhow::Result<String> {
    let object = Object::mailbox("edited");
    let manifest = mailbox("edited", Some("2Gi")).to_string();
    operator::agency_namespace(&field.kubectl, OTHER)?;
    for mode in Mode::ALL {
        applied(field, mode, &manifest, std::slice::from_ref(&object))?;
        let patch = json!({"spec": {"quota": {"size": "9Gi"}}}).to_string();
        let words = [&["patch", "--type=merge", "-p", &patch], &object.words()[..]].concat();
        field.kubectl.run(OTHER, &words)?;
        let verdict = one(field.argo.judge(OTHER, mode, &manifest)?)?;
        ensure!(verdict.sync == "OutOfSync", "{mode:?}: {verdict:?}");
        field.argo.apply(OTHER, mode, &manifest)?;
        let verdict = one(field.argo.judge(OTHER, mode, &manifest)?)?;
        ensure!(verdict.sync == "Synced", "{mode:?}: {verdict:?}");
        delete(field, &object)?;
        field.gone(OTHER, &object).await?;
    }
    Ok("and puts it back, in each of the three ways to apply".to_owned())
}

pub async fn argo_judges_health_by_the_conditions(field: &Field) -> anyhow::Result<String> {
    let object = Object::mailbox("judged");
    let manifest = mailbox("judged", Some("2Gi")).to_string();
    operator::agency_namespace(&field.kubectl, OTHER)?;
    let health = || -> anyhow::Result<(String, String)> {
        let verdict = one(field.argo.judge(OTHER, Mode::Client, &manifest)?)?;
        Ok((verdict.health, verdict.message))
    };
    let is = |wanted: &str, word: &str| -> anyhow::Result<()> {
        let (status, message) = health()?;
        ensure!(
            status == wanted && message.contains(word),
            "it is {status} ({message}), and should be {wanted} with {word:?}"
        );
        Ok(())
    };
    is("Missing", "")?;
    field.argo.apply(OTHER, Mode::Client, &manifest)?;
    is("Progressing", "not seen it yet")?;
    operator::note(&field.kubectl, OTHER, &object)?;
    is("Progressing", "not seen it yet")?;
    for (state, wanted, word) in [
        (State::AwaitingApproval, "Progressing", "kubectl govuc approve"),
        (State::Progressing, "Progressing", "has not arrived here"),
        (State::Stalled, "Degraded", "choose another"),
        (State::Ready, "Healthy", ""),
    ] {
        field.say(OTHER, &object, state)?;
        is(wanted, word)?;
    }
    let bare = one(field.argo.judge_by(None, OTHER, Mode::Client, &manifest)?)?;
    ensure!(
        bare.health.is_empty(),
        "Argo CD knows our kinds by itself, and needs no settings: {bare:?}"
    );
    let patch = json!({"spec": {"quota": {"size": "9Gi"}}}).to_string();
    let words = [&["patch", "--type=merge", "-p", &patch], &object.words()[..]].concat();
    field.kubectl.run(OTHER, &words)?;
    is("Progressing", "not seen it yet")?;
    delete(field, &object)?;
    field.gone(OTHER, &object).await?;
    Ok("by manifests/argocd; without that Argo CD says nothing of their health".to_owned())
}
