//! What the site is to have: pure.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::{
    Installation,
    desired::{self, Blueprint},
};
use crate::{
    mail_store::SESSION_SECRET,
    part::{Part, Role, common_labels, objects::Objects, template},
    pki::Wanted,
};

/// What the parts stand in. It needs nothing of the peer.
pub fn ground(installation: &Installation) -> Objects {
    Objects {
        namespaces: desired::namespaces(),
        network_policies: desired::fences(&installation.owner),
        ..Default::default()
    }
}

/// The certificates of the shared parts. The gateway has none: it ends no TLS.
pub fn certificates(installation: &Installation, trusted: &str) -> Vec<(Part, Wanted)> {
    let site = &installation.own.name;
    Role::SHARED
        .into_iter()
        .filter(|role| *role != Role::Gateway)
        .map(|role| {
            let public = desired::public_names(role, site, &installation.domain);
            let part = Part::shared(role);
            let wanted = Wanted::part(&part.name, site, role.namespace(), public, trusted);
            (part, wanted)
        })
        .collect()
}

/// The shared parts themselves, and the key their tokens are signed with.
pub fn parts(blueprint: Blueprint<'_>, session_key: &[u8; 32]) -> Result<Objects, template::Error> {
    let mut objects = Objects {
        secrets: vec![session_secret(blueprint.installation, session_key)],
        ..Default::default()
    };
    for part in desired::parts(blueprint)? {
        objects.extend(part);
    }
    Ok(objects)
}

fn session_secret(installation: &Installation, key: &[u8; 32]) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(SESSION_SECRET.to_owned()),
            namespace: Some(govuc_wire::names::MAIL_NAMESPACE.to_owned()),
            labels: Some(common_labels()),
            owner_references: Some(vec![installation.owner.clone()]),
            ..Default::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some(BTreeMap::from([("key".to_owned(), ByteString(key.to_vec()))])),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        mail_store::{self, Store},
        operator::Images,
        part::pod_security,
        roles,
    };
    use govuc_api::{MailStore, Platform};
    use k8s_openapi::api::core::v1::PodSpec;

    const KEY: [u8; 32] = [7; 32];

    fn installation(site: &str) -> Installation {
        let platform: Platform = serde_yaml::from_str(
            r#"
            apiVersion: 1govuc.gov.my/v1alpha1
            kind: Platform
            metadata: {name: platform, uid: 3f}
            spec:
              domain: 1govuc.gov.my
              sites:
              - {name: pdsa1, gateway: "198.51.100.1:8443"}
              - {name: pdsa2, gateway: "203.0.113.1:8443"}
              roles: {mode: Witness, witness: {endpoint: "192.0.2.3:8443"}}
            "#,
        )
        .unwrap();
        Installation::of(&platform, site).unwrap()
    }

    fn store(installation: &Installation) -> Store {
        let object: MailStore = serde_yaml::from_str(
            r#"
            apiVersion: 1govuc.gov.my/v1alpha1
            kind: MailStore
            metadata: {name: mail-1, uid: 40}
            spec: {preferredSite: pdsa1}
            "#,
        )
        .unwrap();
        Store::of(&object, installation).unwrap()
    }

    fn images() -> Images {
        let image = |name: &str| format!("localhost/govuc/{name}:dev");
        Images {
            openldap: image("openldap"),
            postfix: image("postfix"),
            nginx: image("nginx"),
            haproxy: image("haproxy"),
            filter: image("filter"),
            cyrus: image("cyrus"),
            router: image("router"),
            etcd: image("etcd"),
        }
    }

    /// Everything at a site, with one store. `changed` is a part whose certificate is another than usual.
    fn everything(site: &str, changed: Option<&str>) -> Objects {
        everything_of(&installation(site), changed)
    }

    fn everything_of(installation: &Installation, changed: Option<&str>) -> Objects {
        let certificates = certificates(installation, "")
            .into_iter()
            .map(|(part, _)| {
                let digest = if Some(part.name.as_str()) == changed {
                    "new"
                } else {
                    "old"
                };
                (part.name, digest.to_owned())
            })
            .collect();
        let images = images();
        let blueprint = Blueprint {
            installation,
            images: &images,
            certificates: &certificates,
            session: "",
            roles_token: "7e57",
            own_signatures: false,
        };
        let mut objects = ground(installation);
        objects.extend(parts(blueprint, &KEY).unwrap());
        objects.extend(mail_store::plan::of(&store(installation), installation, &images.cyrus, "").unwrap());
        objects
    }

    fn pods(objects: &Objects) -> BTreeMap<String, (String, PodSpec)> {
        let sets = objects
            .stateful_sets
            .iter()
            .map(|set| (&set.metadata, set.spec.as_ref().map(|spec| &spec.template)));
        let deployments = objects.deployments.iter().map(|deployment| {
            (
                &deployment.metadata,
                deployment.spec.as_ref().map(|spec| &spec.template),
            )
        });
        sets.chain(deployments)
            .map(|(metadata, template)| {
                let pod = template.and_then(|template| template.spec.clone()).unwrap();
                let namespace = metadata.namespace.clone().unwrap();
                (metadata.name.clone().unwrap(), (namespace, pod))
            })
            .collect()
    }

    #[test]
    fn every_pod_meets_the_security_standard_of_its_namespace() {
        let objects = everything("pdsa1", None);
        let pods = pods(&objects);
        assert_eq!(pods.len(), Role::SHARED.len() + 2);
        for (name, (namespace, pod)) in pods {
            let found = match namespace.as_str() {
                govuc_wire::names::MTA_NAMESPACE => {
                    assert_eq!(pod.host_users, Some(false), "{name}");
                    pod_security::baseline(&pod)
                }
                _ => pod_security::restricted(&pod),
            };
            assert_eq!(found, Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn what_a_pod_mounts_is_planned_or_made_beside_the_plan() {
        let objects = everything("pdsa1", None);
        let certificates = objects
            .stateful_sets
            .iter()
            .map(|set| format!("tls-{}", set.metadata.name.as_deref().unwrap()))
            .chain(["tls-front-door".to_owned()]);
        let secrets: Vec<String> = certificates
            .chain([SESSION_SECRET, roles::CLIENT_SECRET].map(str::to_owned))
            .collect();
        let maps: Vec<_> = objects
            .config_maps
            .iter()
            .map(|map| map.metadata.name.clone())
            .collect();
        let claims: Vec<_> = objects
            .volume_claims
            .iter()
            .map(|claim| claim.metadata.name.clone())
            .collect();
        for (name, (_, pod)) in pods(&objects) {
            for volume in pod.volumes.iter().flatten() {
                if let Some(map) = volume
                    .config_map
                    .as_ref()
                    .filter(|map| map.optional != Some(true))
                {
                    assert!(maps.contains(&Some(map.name.clone())), "{name}: {}", map.name);
                }
                if let Some(claim) = &volume.persistent_volume_claim {
                    assert!(claims.contains(&Some(claim.claim_name.clone())), "{name}");
                }
                if let Some(secret) = &volume.secret {
                    assert!(secrets.contains(secret.secret_name.as_ref().unwrap()), "{name}");
                }
            }
            let volumes: Vec<&String> = pod.volumes.iter().flatten().map(|volume| &volume.name).collect();
            for container in pod.init_containers.iter().flatten().chain(&pod.containers) {
                for mount in container.volume_mounts.iter().flatten() {
                    assert!(
                        volumes.contains(&&mount.name),
                        "{name}/{}: {}",
                        container.name,
                        mount.name
                    );
                }
            }
        }
    }

    #[test]
    fn a_new_certificate_restarts_the_part_it_is_for_and_no_other() {
        let old = everything("pdsa1", None);
        let new = everything("pdsa1", Some("mx"));
        let differ: Vec<_> = old
            .stateful_sets
            .iter()
            .zip(&new.stateful_sets)
            .filter(|(old, new)| old != new)
            .map(|(old, _)| old.metadata.name.clone().unwrap())
            .collect();
        assert_eq!(differ, ["mx"]);
        assert_eq!(old.deployments, new.deployments);
    }

    #[test]
    fn other_rules_for_passwords_are_told_without_a_restart() {
        let told = |min_length| {
            let mut installation = installation("pdsa1");
            installation.password.min_length = min_length;
            let blueprint = Blueprint {
                installation: &installation,
                images: &images(),
                certificates: &BTreeMap::new(),
                session: "",
                roles_token: "7e57",
                own_signatures: false,
            };
            let objects = parts(blueprint, &KEY).unwrap();
            let rules = objects
                .config_maps
                .iter()
                .find_map(|map| map.data.as_ref()?.get("rules.json").cloned());
            (rules.unwrap(), objects.deployments)
        };
        let (rules, deployments) = told(14);
        assert_eq!(rules, r#"{"lockoutSeconds":900,"minLength":14}"#);
        assert_eq!(deployments, told(12).1);
    }

    #[test]
    fn a_site_has_a_member_of_the_roles_etcd_only_where_there_is_a_witness() {
        let mut installation = installation("pdsa1");
        let has_roles = |installation: &Installation| {
            pods(&everything_of(installation, None)).contains_key(Role::Roles.label())
        };
        assert!(has_roles(&installation));
        installation.witness = None;
        assert!(!has_roles(&installation));
    }

    #[test]
    fn no_budget_holds_up_a_drain_of_the_one_pod_of_a_member() {
        let objects = everything("pdsa1", None);
        let names = |name: &str| {
            let budgets = objects.disruption_budgets.iter();
            budgets
                .filter(|budget| budget.metadata.name.as_deref() == Some(name))
                .count()
        };
        assert_eq!((names("roles"), names("mx")), (0, 1));
    }

    #[test]
    fn each_template_is_filled_in_at_both_sites() {
        for site in ["pdsa1", "pdsa2"] {
            for map in everything(site, None).config_maps {
                for (file, text) in map.data.unwrap_or_default() {
                    assert!(!text.contains("{{") && !text.trim().is_empty(), "{site}: {file}");
                }
            }
        }
    }

    #[test]
    fn both_sites_call_a_part_of_a_site_the_same() {
        let names = |site: &str| -> Vec<(String, String)> {
            let mut names: Vec<_> = everything(site, None)
                .services
                .into_iter()
                .map(|service| {
                    (
                        service.metadata.namespace.unwrap(),
                        service.metadata.name.unwrap(),
                    )
                })
                .filter(|(_, name)| {
                    ["directory-", "mail-1-", "roles-"]
                        .iter()
                        .any(|part| name.starts_with(part))
                })
                .collect();
            names.sort_unstable();
            names
        };
        // Two each of the directory and the store; of the roles' members two for clients and three for each other.
        assert_eq!(names("pdsa1").len(), 9);
        assert_eq!(names("pdsa1"), names("pdsa2"));
    }

    #[test]
    fn the_public_names_are_in_the_certificates_of_those_who_face_the_public() {
        let wanted: BTreeMap<String, Vec<String>> = certificates(&installation("pdsa2"), "")
            .into_iter()
            .map(|(part, wanted)| (part.name, wanted.names))
            .collect();
        assert_eq!(
            wanted["front-door"],
            [
                "front-door-pdsa2.govuc-mail.svc",
                "mail.1govuc.gov.my",
                "mail.pdsa2.1govuc.gov.my"
            ]
        );
        assert_eq!(wanted["mx"], ["mx-pdsa2.govuc-mta.svc", "mx.pdsa2.1govuc.gov.my"]);
        assert_eq!(wanted["directory"], ["directory-pdsa2.govuc-mail.svc"]);
        assert!(!wanted.contains_key("gateway"));
    }
}
