//! What of a plan would restart something that runs, and the plan without it: pure.

use std::collections::BTreeMap;

use govuc_api::PendingRestart;
use k8s_openapi::{api::core::v1::PodTemplateSpec, apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::ResourceExt;
use serde_json::json;

use super::Wait;
use crate::{
    cluster::contains,
    part::{
        objects::{Applied, Objects},
        pod::CONFIG_ANNOTATION,
        workload::{TEMPLATE_ANNOTATION, Workload},
    },
};

/// On a controller of pods: when the certificate ends that its pods were started with last.
const CERTIFICATE_ANNOTATION: &str = "1govuc.gov.my/certificate-ends";
/// What of a part is to be another when its pods are to start with other files.
pub const CONFIGURATION: &str = "configuration or certificate";
/// What speaks of the pods that run, and not of the plan, while these stay.
const OF_PODS: [&str; 2] = [TEMPLATE_ANNOTATION, CERTIFICATE_ANNOTATION];

/// A part that runs and whose pods are to be others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    pub part: String,
    /// What of them, for people.
    pub change: String,
}

/// Everything that applying the plan would restart. What is not there yet, and what has no pod that is ready, serves nobody:
/// it is not among them; nor is what has a certificate that ends before `due`.
pub fn restarts(planned: &Objects, running: &Applied, due: Timestamp) -> Vec<Restart> {
    let Objects {
        stateful_sets,
        deployments,
        ..
    } = planned;
    let sets = each(stateful_sets, &running.stateful_sets, due);
    sets.chain(each(deployments, &running.deployments, due)).collect()
}

fn each<'a, W: Workload>(
    planned: &'a [W],
    running: &'a [W],
    due: Timestamp,
) -> impl Iterator<Item = Restart> + 'a {
    planned.iter().filter_map(move |planned| {
        let live = seen(running, planned)?;
        Some(Restart {
            part: planned.name_any(),
            change: restarted(live, planned, due)?,
        })
    })
}

/// The plan with the pods that run left as they are, and everything else as planned.
pub fn held(mut planned: Objects, running: &Applied, due: Timestamp) -> Objects {
    keep(&mut planned.stateful_sets, &running.stateful_sets, due);
    keep(&mut planned.deployments, &running.deployments, due);
    planned
}

fn keep<W: Workload>(planned: &mut [W], running: &[W], due: Timestamp) {
    for planned in planned {
        let live = seen(running, planned).filter(|live| restarted(*live, planned, due).is_some());
        let Some(live) = live else { continue };
        planned.set_template(live.template().cloned());
        for name in OF_PODS {
            match live.annotations().get(name) {
                Some(value) => planned.annotations_mut().insert(name.to_owned(), value.clone()),
                None => planned.annotations_mut().remove(name),
            };
        }
    }
}

/// Notes when the certificate of each part ends. `ends` has no part that reads its own anew.
pub fn date(planned: &mut Objects, ends: &BTreeMap<String, Timestamp>) {
    note(&mut planned.stateful_sets, ends);
    note(&mut planned.deployments, ends);
}

fn note<W: Workload>(planned: &mut [W], ends: &BTreeMap<String, Timestamp>) {
    for planned in planned {
        if let Some(end) = ends.get(&planned.name_any()) {
            planned
                .annotations_mut()
                .insert(CERTIFICATE_ANNOTATION.to_owned(), end.to_string());
        }
    }
}

fn seen<'a, W: Workload>(running: &'a [W], planned: &W) -> Option<&'a W> {
    running
        .iter()
        .find(|live| live.name_any() == planned.name_any() && live.namespace() == planned.namespace())
}

/// What would be another if the planned pods replaced those that serve.
fn restarted<W: Workload>(live: &W, planned: &W, due: Timestamp) -> Option<String> {
    let end = live.annotations().get(CERTIFICATE_ANNOTATION);
    let ends = end.and_then(|end| end.parse::<Timestamp>().ok());
    if live.ready_pods() == 0 || ends.is_some_and(|ends| ends <= due) {
        return None;
    }
    let digest = |workload: &W| workload.annotations().get(TEMPLATE_ANNOTATION).cloned();
    // The digest shows a field that was given up; what is there, what somebody changed beside the operator.
    let same_plan = digest(live).is_none_or(|live| Some(live) == digest(planned));
    let (live, planned) = (live.template()?, planned.template()?);
    let unchanged = same_plan && contains(&json!(live), &json!(planned));
    (!unchanged).then(|| change(live, planned))
}

fn change(live: &PodTemplateSpec, planned: &PodTemplateSpec) -> String {
    let mut changes: Vec<String> = images(planned)
        .filter_map(|(name, image)| {
            let (_, old) = images(live).find(|(old, _)| *old == name)?;
            (old != image).then(|| format!("image of {name}: {image} for {old}"))
        })
        .collect();
    if configuration(live) != configuration(planned) {
        changes.push(CONFIGURATION.to_owned());
    }
    if changes.is_empty() {
        changes.push("settings of the pod".to_owned());
    }
    changes.join(", ")
}

fn images(template: &PodTemplateSpec) -> impl Iterator<Item = (&str, &str)> {
    let spec = template.spec.iter();
    let containers = spec.flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers));
    containers.map(|container| {
        (
            container.name.as_str(),
            container.image.as_deref().unwrap_or_default(),
        )
    })
}

fn configuration(template: &PodTemplateSpec) -> Option<&String> {
    template
        .metadata
        .as_ref()?
        .annotations
        .as_ref()?
        .get(CONFIG_ANNOTATION)
}

/// What a status says of restarts that wait.
pub fn pending(restarts: Vec<Restart>, wait: &Wait) -> Vec<PendingRestart> {
    let mut pending: Vec<PendingRestart> = restarts
        .into_iter()
        .map(|Restart { part, change }| PendingRestart {
            part,
            change,
            reason: wait.reason.to_owned(),
            window: wait.turn.as_ref().map(|turn| turn.window.clone()),
            opens: wait.turn.as_ref().map(|turn| Time(turn.from)),
            closes: wait.turn.as_ref().map(|turn| Time(turn.until)),
        })
        .collect();
    pending.sort_by(|one, other| one.part.cmp(&other.part));
    pending
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::{Part, Role, pod, tests::owner, workload};
    use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
    use rstest::rstest;

    /// What a plan is made of.
    struct Given {
        image: &'static str,
        config: &'static str,
        probe: bool,
        ends: &'static str,
    }

    const OLD: Given = Given {
        image: "postfix:1",
        config: "a",
        probe: true,
        ends: "2027-11-24T00:00:00Z",
    };
    const DUE: &str = "2026-12-24T00:00:00Z";

    /// A site of one StatefulSet, `mx`, and one Deployment, `gateway`.
    fn plan(given: &Given) -> Objects {
        let pod_of = |part: &Part| {
            let needs = pod::Needs { cpu: 1, memory: 1 };
            let mut container = pod::container("main", given.image, needs);
            container.liveness_probe = given.probe.then(|| pod::http_probe("/livez"));
            pod::spec(part, 1, vec![container], Vec::new())
        };
        let (mx, gateway) = (Part::shared(Role::Mx), Part::shared(Role::Gateway));
        let mut planned = Objects {
            stateful_sets: vec![workload::stateful_set(&mx, pod_of(&mx), given.config, &owner())],
            deployments: vec![workload::deployment(
                &gateway,
                2,
                pod_of(&gateway),
                "same",
                &owner(),
            )],
            ..Default::default()
        };
        let ends = BTreeMap::from([("mx".to_owned(), given.ends.parse().unwrap())]);
        date(&mut planned, &ends);
        planned
    }

    /// What runs once that was applied, with what the API server adds by itself.
    fn running(given: &Given, ready: i32) -> Applied {
        let Objects {
            mut stateful_sets,
            mut deployments,
            ..
        } = plan(given);
        for set in &mut stateful_sets {
            defaulted(set);
            set.status.get_or_insert_default().ready_replicas = Some(ready);
        }
        for deployment in &mut deployments {
            defaulted(deployment);
            deployment.status.get_or_insert_default().ready_replicas = Some(ready);
        }
        Applied {
            stateful_sets,
            deployments,
        }
    }

    fn defaulted(workload: &mut impl Workload) {
        let mut template = workload.template().cloned().unwrap();
        template.spec.get_or_insert_default().restart_policy = Some("Always".into());
        workload.set_template(Some(template));
    }

    fn told(planned: &Given, running: &Applied) -> Vec<(String, String)> {
        restarts(&plan(planned), running, DUE.parse().unwrap())
            .into_iter()
            .map(|restart| (restart.part, restart.change))
            .collect()
    }

    fn pairs(items: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = items.iter();
        owned
            .map(|(part, change)| ((*part).to_owned(), (*change).to_owned()))
            .collect()
    }

    #[rstest]
    #[case::nothing_changed(OLD, &[])]
    #[case::another_configuration(Given { config: "b", ..OLD }, &[("mx", "configuration or certificate")])]
    #[case::another_image(Given { image: "postfix:2", ..OLD },
        &[("mx", "image of main: postfix:2 for postfix:1"), ("gateway", "image of main: postfix:2 for postfix:1")])]
    #[case::a_setting_given_up(Given { probe: false, ..OLD }, &[("mx", "settings of the pod"), ("gateway", "settings of the pod")])]
    #[case::a_certificate_noted(Given { ends: "2028-11-24T00:00:00Z", ..OLD }, &[])]
    fn what_would_replace_pods_that_serve_is_told_with_why(
        #[case] planned: Given,
        #[case] expected: &[(&str, &str)],
    ) {
        assert_eq!(told(&planned, &running(&OLD, 1)), pairs(expected));
    }

    #[test]
    fn what_serves_nobody_is_never_held_back() {
        let next = Given {
            image: "postfix:2",
            ..OLD
        };
        assert_eq!(told(&next, &Applied::default()), []);
        assert_eq!(told(&next, &running(&OLD, 0)), []);
        let due = DUE.parse().unwrap();
        assert_eq!(held(plan(&next), &running(&OLD, 0), due), plan(&next));
    }

    #[test]
    fn a_certificate_that_is_about_to_end_is_not_held_back_and_the_rest_is() {
        let ending = Given { ends: DUE, ..OLD };
        let next = Given {
            config: "b",
            image: "postfix:2",
            ..OLD
        };
        assert_eq!(
            told(&next, &running(&ending, 1)),
            pairs(&[("gateway", "image of main: postfix:2 for postfix:1")])
        );
        let good = Given {
            ends: "2026-12-24T00:00:01Z",
            ..OLD
        };
        assert_eq!(told(&next, &running(&good, 1)).len(), 2);
    }

    #[test]
    fn somebody_elses_change_of_a_pod_is_not_undone_outside_of_a_window() {
        let mut live = running(&OLD, 1);
        let mut template = live.stateful_sets[0].template().cloned().unwrap();
        template.spec.as_mut().unwrap().containers[0].image = Some("postfix:mine".into());
        live.stateful_sets[0].set_template(Some(template));
        assert_eq!(
            told(&OLD, &live),
            pairs(&[("mx", "image of main: postfix:1 for postfix:mine")])
        );
    }

    #[test]
    fn held_back_are_the_pods_and_nothing_else() {
        let live = running(&OLD, 1);
        let next = Given {
            config: "b",
            ends: "2028-11-24T00:00:00Z",
            ..OLD
        };
        let mut planned = plan(&next);
        planned.deployments[0].spec.as_mut().unwrap().replicas = Some(3);
        let due = DUE.parse().unwrap();
        let applied = held(planned.clone(), &live, due);
        let pods = |set: &StatefulSet| set.template().cloned();
        assert_eq!(pods(&applied.stateful_sets[0]), pods(&live.stateful_sets[0]));
        let notes = |set: &StatefulSet| OF_PODS.map(|name| set.annotations().get(name).cloned());
        assert_eq!(notes(&applied.stateful_sets[0]), notes(&live.stateful_sets[0]));
        // What restarts nothing is as planned.
        assert_eq!(applied.deployments, planned.deployments);
        let labels = |deployment: &Deployment| deployment.labels().clone();
        assert_eq!(labels(&applied.deployments[0]), labels(&planned.deployments[0]));
        // And it stays pending once that was applied.
        let mut after = live.clone();
        after.stateful_sets[0].spec = applied.stateful_sets[0].spec.clone();
        after.stateful_sets[0].metadata.annotations = applied.stateful_sets[0].metadata.annotations.clone();
        assert_eq!(restarts(&planned, &after, due), restarts(&planned, &live, due));
    }
}
