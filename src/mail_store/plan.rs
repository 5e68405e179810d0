//! What a store is at the own site: pure.

use super::{
    Store,
    desired::{assignment, stateful_set},
};
use crate::{
    part::{network, objects::Objects, service, workload},
    platform::Installation,
};

/// Everything but the store's certificate, which needs a key and so is not planned but issued. `session` is the digest of
/// the key of session tokens.
pub fn of(
    store: &Store,
    installation: &Installation,
    image: &str,
    session: &str,
) -> Result<Objects, serde_json::Error> {
    let owner = &store.owner;
    let assignment = assignment::text(store, installation)?;
    let part = &store.part;
    Ok(Objects {
        network_policies: vec![network::policy(part, installation.outside(), owner)],
        service_accounts: vec![workload::service_account(part, owner)],
        volume_claims: vec![stateful_set::volume_claim(store)],
        services: vec![
            service::own(part, &installation.own.name, owner),
            service::peer(part, &installation.peer.name, owner),
        ],
        disruption_budgets: vec![workload::disruption_budget(part, owner)],
        stateful_sets: vec![stateful_set::stateful_set(
            store,
            image,
            installation.leases(),
            &assignment::restarts_with(store, installation, session),
            owner,
        )],
        config_maps: vec![assignment::config_map(store, assignment, owner)],
        ..Default::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::pod;
    use govuc_api::{MailStore, Platform};
    use k8s_openapi::api::core::v1::PodTemplateSpec;
    use rstest::rstest;

    /// What tells one plan from another.
    struct Given {
        peer: &'static str,
        primary: &'static str,
        session: &'static str,
    }

    const GIVEN: Given = Given {
        peer: "pdsa2",
        primary: "pdsa1",
        session: "key",
    };

    /// The assignment and the pod of a store at pdsa1.
    fn planned(given: &Given) -> (String, PodTemplateSpec) {
        let platform = format!(
            r#"
            apiVersion: 1govuc.gov.my/v1alpha1
            kind: Platform
            metadata: {{name: platform, uid: 3f}}
            spec:
              domain: 1govuc.gov.my
              sites:
              - {{name: pdsa1, gateway: "198.51.100.1:8443"}}
              - {{name: {}, gateway: "203.0.113.1:8443"}}
            "#,
            given.peer
        );
        let platform: Platform = serde_yaml::from_str(&platform).unwrap();
        let installation = Installation::of(&platform, "pdsa1").unwrap();
        let object = format!(
            r#"
            apiVersion: 1govuc.gov.my/v1alpha1
            kind: MailStore
            metadata: {{name: mail-1, uid: 40}}
            spec: {{preferredSite: {}}}
            "#,
            given.primary
        );
        let object: MailStore = serde_yaml::from_str(&object).unwrap();
        let store = Store::of(&object, &installation).unwrap();
        let objects = of(&store, &installation, "localhost/govuc/cyrus:dev", given.session).unwrap();
        let files = objects.config_maps[0].data.clone().unwrap();
        let template = objects.stateful_sets[0].spec.clone().unwrap().template;
        (files[assignment::FILE].clone(), template)
    }

    #[test]
    fn another_primary_is_another_assignment_and_the_same_pod() {
        let (file, pod) = planned(&GIVEN);
        let (moved_file, moved_pod) = planned(&Given {
            primary: "pdsa2",
            ..GIVEN
        });
        assert_ne!(file, moved_file);
        assert_eq!(pod, moved_pod);
    }

    #[rstest]
    #[case::another_peer(Given { peer: "pdsa3", ..GIVEN })]
    #[case::another_session_key(Given { session: "new", ..GIVEN })]
    fn what_the_guard_reads_once_is_another_pod(#[case] changed: Given) {
        let digest = |given: &Given| {
            let metadata = planned(given).1.metadata.unwrap();
            metadata.annotations.unwrap()[pod::CONFIG_ANNOTATION].clone()
        };
        assert_ne!(digest(&GIVEN), digest(&changed));
    }
}
