//! What this site's member says when it does not start: pure.
//!
//! `images/etcd/start-member` says it, and Kubernetes keeps it as the message of the container that ended. It names the member
//! or the cluster that it speaks of, so it may be old: of one that is no longer on the list it means nothing.

use govuc_etcd::MemberId;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

/// The container of etcd in the member's pod.
pub const CONTAINER: &str = "etcd";

/// Why it does not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its volume is empty, and the others know it with another one: this member is lost.
    Lost(MemberId),
    /// Its volume is of this other cluster.
    Foreign(u64),
}

impl Refusal {
    /// Of a pod that is ready nothing: then it has started.
    pub fn of(pod: &Pod) -> Option<Self> {
        let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
        let container = statuses.iter().find(|status| status.name == CONTAINER)?;
        if container.ready {
            return None;
        }
        Self::parse(last_message(container)?)
    }

    fn parse(message: &str) -> Option<Self> {
        let (head, _) = message.split_once(':')?;
        let (word, id) = head.split_once(' ')?;
        match word {
            "replace" => id.parse().ok().map(Refusal::Lost),
            "foreign" => u64::from_str_radix(id, 16).ok().map(Refusal::Foreign),
            _ => None,
        }
    }
}

/// Of the run that ended last, whether it is waited for the next one or that is under way.
fn last_message(container: &ContainerStatus) -> Option<&str> {
    [&container.state, &container.last_state]
        .into_iter()
        .find_map(|state| state.as_ref()?.terminated.as_ref())?
        .message
        .as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn pod(ready: bool, state: serde_json::Value, last: serde_json::Value) -> Pod {
        serde_json::from_value(json!({"status": {"containerStatuses": [{
            "name": "etcd", "ready": ready, "image": "", "imageID": "", "restartCount": 1, "state": state, "lastState": last,
        }]}}))
        .unwrap()
    }

    fn ended(message: &str) -> serde_json::Value {
        json!({"terminated": {"exitCode": 3, "message": message}})
    }

    const LOST: &str =
        "replace 8e9e05c52164694d: this member's volume is empty, and the others know it with another\n";

    #[rstest]
    #[case::between_two_runs(pod(false, json!({"waiting": {"reason": "CrashLoopBackOff"}}), ended(LOST)))]
    #[case::in_the_next_one(pod(false, json!({"running": {}}), ended(LOST)))]
    #[case::just_ended(pod(false, ended(LOST), ended("waiting: …")))]
    fn a_member_that_found_its_volume_empty_is_lost(#[case] pod: Pod) {
        assert_eq!(
            Refusal::of(&pod),
            Some(Refusal::Lost(MemberId(0x8e9e_05c5_2164_694d)))
        );
    }

    #[rstest]
    #[case::it_started(pod(true, json!({"running": {}}), ended(LOST)))]
    #[case::it_ended_with_something_else_since(pod(false, ended("waiting: no majority"), ended(LOST)))]
    #[case::etcd_failed_by_itself(pod(false, json!({}), json!({"terminated": {"exitCode": 1}})))]
    #[case::it_has_no_place(pod(false, json!({}), ended("absent: the others have no place for it")))]
    #[case::no_id(pod(false, json!({}), ended("replace me: please")))]
    #[case::nothing_known(Pod::default())]
    fn of_any_other_nothing_is_said(#[case] pod: Pod) {
        assert_eq!(Refusal::of(&pod), None);
    }

    #[test]
    fn a_volume_of_another_cluster_is_named_by_the_cluster() {
        let pod = pod(
            false,
            json!({"waiting": {}}),
            ended("foreign ff: this member's volume is of another cluster, and the service's is fe"),
        );
        assert_eq!(Refusal::of(&pod), Some(Refusal::Foreign(0xff)));
    }

    /// The words stand in two languages.
    #[test]
    fn the_script_says_these_words() {
        let script = include_str!("../../images/etcd/start-member");
        for word in ["\"replace ${mine%%,*}: ", "\"foreign $cluster: "] {
            assert!(script.contains(word), "{word}");
        }
    }
}
