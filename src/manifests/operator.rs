//! The operator's own Deployment, and what stands beside it.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec},
        core::v1::{
            Affinity, EnvVar, EnvVarSource, ObjectFieldSelector, PodAffinityTerm, PodAntiAffinity,
            PodSecurityContext, PodSpec, PodTemplateSpec, SeccompProfile, Service, ServicePort, ServiceSpec,
            WeightedPodAffinityTerm,
        },
        networking::v1::{
            NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPort,
            NetworkPolicySpec,
        },
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use serde_json::Value;

use super::{Error, Installation, metadata, rbac::OPERATOR, value};
use crate::{
    names::SiteName,
    operator::Images,
    part::{ROLE_LABEL, Role, common_labels, network, pairs, pod},
};
use govuc_wire::names::{self, EGRESS_PORT, PROBE_PORT, SYSTEM_NAMESPACE, TLS_PORT};

/// An unprivileged user that owns nothing.
const USER: i64 = 65_532;
/// Controllers end with their running reconciles, each call within 15 s.
const GRACE_SECONDS: i64 = 30;

pub(super) fn objects(wanted: &Installation) -> Result<Vec<Value>, Error> {
    Ok(vec![
        value(&network_policy())?,
        value(&disruption_budget())?,
        value(&metrics())?,
        value(&service(&wanted.site))?,
        value(&deployment(wanted))?,
    ])
}

fn deployment(wanted: &Installation) -> Deployment {
    Deployment {
        metadata: metadata(OPERATOR, Some(SYSTEM_NAMESPACE)),
        spec: Some(DeploymentSpec {
            replicas: Some(2),
            selector: selector(),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels()),
                    ..Default::default()
                }),
                spec: Some(pod_spec(wanted)),
            },
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn pod_spec(wanted: &Installation) -> PodSpec {
    let needs = pod::Needs { cpu: 20, memory: 64 };
    let mut container = pod::container("operator", &wanted.operator, needs);
    container.args = Some(vec!["run".to_owned()]);
    container.env = Some(environment(wanted));
    container.ports = Some(vec![
        pod::port("metrics", PROBE_PORT),
        pod::port("peer", TLS_PORT),
    ]);
    container.liveness_probe = Some(pod::http_probe("/livez"));
    container.readiness_probe = Some(pod::http_probe("/readyz"));
    PodSpec {
        service_account_name: Some(OPERATOR.to_owned()),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        affinity: Some(apart()),
        containers: vec![container],
        ..Default::default()
    }
}

fn environment(wanted: &Installation) -> Vec<EnvVar> {
    let text = |name: &str, value: &str| EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..Default::default()
    };
    let Images {
        openldap,
        postfix,
        nginx,
        haproxy,
        filter,
        cyrus,
        router,
        etcd,
    } = &wanted.images;
    let engines: Vec<&str> = wanted.engines.others().collect();
    let mut variables = vec![
        EnvVar {
            name: "HOSTNAME".to_owned(),
            value_from: Some(EnvVarSource {
                field_ref: Some(ObjectFieldSelector {
                    field_path: "metadata.name".to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        },
        text("GOVUC_SITE", wanted.site.as_str()),
        text("GOVUC_IMAGE_OPENLDAP", openldap),
        text("GOVUC_IMAGE_POSTFIX", postfix),
        text("GOVUC_IMAGE_NGINX", nginx),
        text("GOVUC_IMAGE_HAPROXY", haproxy),
        text("GOVUC_IMAGE_FILTER", filter),
        text("GOVUC_IMAGE_CYRUS", cyrus),
        text("GOVUC_IMAGE_ROUTER", router),
        text("GOVUC_IMAGE_ETCD", etcd),
    ];
    if !engines.is_empty() {
        variables.push(text("GOVUC_ENGINES", &engines.join(",")));
    }
    variables
}

/// On two nodes where there are two.
fn apart() -> Affinity {
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
                weight: 100,
                pod_affinity_term: PodAffinityTerm {
                    label_selector: Some(selector()),
                    topology_key: "kubernetes.io/hostname".to_owned(),
                    ..Default::default()
                },
            }]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn disruption_budget() -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: metadata(OPERATOR, Some(SYSTEM_NAMESPACE)),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn metrics() -> Service {
    Service {
        metadata: metadata("govuc-metrics", Some(SYSTEM_NAMESPACE)),
        spec: Some(ServiceSpec {
            selector: Some(own()),
            ports: Some(vec![ServicePort {
                name: Some("metrics".to_owned()),
                port: PROBE_PORT.into(),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// By which the gateway finds it, for the other site's operator. Every replica serves.
fn service(site: &SiteName) -> Service {
    Service {
        metadata: metadata(
            &names::service(names::OPERATOR, site.as_str()),
            Some(SYSTEM_NAMESPACE),
        ),
        spec: Some(ServiceSpec {
            selector: Some(own()),
            ports: Some(vec![ServicePort {
                name: Some("tls".to_owned()),
                port: TLS_PORT.into(),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// In: metrics, and the other site's operator by way of the gateway. Out: names, the API server (which no selector can name),
/// and parts of both sites.
fn network_policy() -> NetworkPolicy {
    let port = |number: u16, protocol: &str| NetworkPolicyPort {
        port: Some(IntOrString::Int(number.into())),
        protocol: Some(protocol.to_owned()),
        ..Default::default()
    };
    let out = [53, 443, 6443, TLS_PORT, EGRESS_PORT];
    let mut ports: Vec<_> = out.into_iter().map(|number| port(number, "TCP")).collect();
    ports.push(port(53, "UDP"));
    NetworkPolicy {
        metadata: metadata(OPERATOR, Some(SYSTEM_NAMESPACE)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![
                NetworkPolicyIngressRule {
                    ports: Some(vec![port(PROBE_PORT, "TCP")]),
                    ..Default::default()
                },
                NetworkPolicyIngressRule {
                    from: Some(vec![network::pods(
                        Role::Gateway.namespace(),
                        Role::Gateway.label(),
                    )]),
                    ports: Some(vec![port(TLS_PORT, "TCP")]),
                },
            ]),
            egress: Some(vec![NetworkPolicyEgressRule {
                ports: Some(ports),
                ..Default::default()
            }]),
        }),
    }
}

fn selector() -> LabelSelector {
    LabelSelector {
        match_labels: Some(own()),
        ..Default::default()
    }
}

fn own() -> BTreeMap<String, String> {
    pairs([(ROLE_LABEL, names::OPERATOR)])
}

fn labels() -> BTreeMap<String, String> {
    let mut labels = common_labels();
    labels.extend(own());
    labels
}
