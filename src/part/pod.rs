//! Pods that meet Pod Security *restricted*, unless their engine can't.

use std::collections::BTreeMap;

use govuc_wire::names;
use k8s_openapi::{
    api::core::v1::{
        Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, ExecAction,
        HTTPGetAction, PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec, Probe,
        ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext, TCPSocketAction, Volume,
        VolumeMount,
    },
    apimachinery::pkg::{api::resource::Quantity, util::intstr::IntOrString},
};
use ring::digest;

use super::Part;

/// What a container asks of the node. There are no limits: an engine that is throttled or killed at an arbitrary
/// figure is a worse neighbour than one that is busy.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// Thousandths of a core.
    pub cpu: u32,
    /// MiB.
    pub memory: u32,
}

/// Where each part finds its certificate.
pub const TLS_PATH: &str = "/etc/govuc/tls";
/// On a pod template: changes with what the engine reads only at its start.
pub const CONFIG_ANNOTATION: &str = "1govuc.gov.my/config";

/// A container without privileges and with a read-only root.
pub fn container(name: &str, image: &str, needs: Needs) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(image.to_owned()),
        resources: Some(ResourceRequirements {
            requests: Some(BTreeMap::from([
                ("cpu".to_owned(), Quantity(format!("{}m", needs.cpu))),
                ("memory".to_owned(), Quantity(format!("{}Mi", needs.memory))),
            ])),
            ..Default::default()
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                ..Default::default()
            }),
            read_only_root_filesystem: Some(true),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A pod of one user. Its group owns the volumes, so that containers which run as another user still read them.
pub fn spec(part: &Part, user: i64, containers: Vec<Container>, volumes: Vec<Volume>) -> PodSpec {
    PodSpec {
        // Nothing in these pods talks to the API server.
        automount_service_account_token: Some(false),
        service_account_name: Some(part.name.clone()),
        // Without them a part sees no environment variable per Service, and starts the same however many there are.
        enable_service_links: Some(false),
        security_context: Some(security_context(user)),
        containers,
        volumes: Some(volumes),
        ..Default::default()
    }
}

/// What makes a pod of this user meet *restricted*, beside what [`container`] does.
pub fn security_context(user: i64) -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(user),
        run_as_group: Some(user),
        fs_group: Some(user),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A container of UID 0 with these capabilities, for a pod in a user namespace of its own.
pub fn as_root(container: &mut Container, capabilities: &[&str]) {
    let context = container.security_context.get_or_insert_default();
    context.run_as_user = Some(0);
    context.run_as_non_root = Some(false);
    context.capabilities.get_or_insert_default().add =
        Some(capabilities.iter().map(|&name| name.to_owned()).collect());
}

pub fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number.into(),
        ..Default::default()
    }
}

pub fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        ..Default::default()
    }
}

pub fn read_only(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..mount(volume, path)
    }
}

/// One file of a volume. It stays as it was when the container started.
pub fn file(volume: &str, file: &str, path: &str) -> VolumeMount {
    VolumeMount {
        sub_path: Some(file.to_owned()),
        ..read_only(volume, path)
    }
}

/// The mount of [`tls_volume`].
pub fn tls_mount() -> VolumeMount {
    read_only("tls", TLS_PATH)
}

pub fn tls_volume(part: &Part) -> Volume {
    secret_volume("tls", &part.certificate_secret())
}

/// Readable by the pod's group, and by nobody else.
pub fn secret_volume(name: &str, secret: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            default_mode: Some(0o440),
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub fn claimed_volume(name: &str, claim: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub fn config_volume(name: &str, config_map: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Gone with the pod. In memory where it holds a password or is written all the time.
pub fn scratch_volume(name: &str, medium: Medium) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: match medium {
                Medium::Disk => None,
                Medium::Memory => Some("Memory".to_owned()),
            },
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Where a scratch volume lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    Disk,
    Memory,
}

/// `GET path` at the probe port of one of our own programs.
pub fn http_probe(path: &str) -> Probe {
    http_probe_at(names::PROBE_PORT, path)
}

pub fn http_probe_at(port: u16, path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(port.into()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Asked for seldom: every connection is two lines in an engine's log.
pub fn tcp_probe(port: u16) -> Probe {
    Probe {
        tcp_socket: Some(TCPSocketAction {
            port: IntOrString::Int(port.into()),
            ..Default::default()
        }),
        period_seconds: Some(20),
        ..Default::default()
    }
}

/// Runs in the container. Dearer than the others, so it is asked for less often.
pub fn command_probe(command: &[&str]) -> Probe {
    Probe {
        exec: Some(ExecAction {
            command: Some(command.iter().map(|&word| word.to_owned()).collect()),
        }),
        period_seconds: Some(20),
        timeout_seconds: Some(5),
        ..Default::default()
    }
}

/// A short digest of texts or keys, for [`CONFIG_ANNOTATION`].
pub fn digest(texts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for text in texts {
        let text = text.as_ref();
        // The length keeps ("a", "bc") and ("ab", "c") apart.
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text);
    }
    context.finish().as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_where_one_text_ends_and_the_next_begins() {
        assert_ne!(digest(["a", "bc"]), digest(["ab", "c"]));
        assert_eq!(digest(["a", "bc"]), digest(["a", "bc"]));
    }
}
