//! What Pod Security would refuse, told before a cluster does: the rules of *restricted* and *baseline* that a pod of
//! ours could break (Kubernetes 1.35, Pod Security Standards).

use k8s_openapi::api::core::v1::{Capabilities, Container, PodSpec, SecurityContext};

/// Violations of *restricted*, by container.
pub fn restricted(pod: &PodSpec) -> Vec<String> {
    let mut found = baseline(pod);
    let of_pod = pod.security_context.clone().unwrap_or_default();
    if of_pod.run_as_non_root != Some(true) || of_pod.run_as_user == Some(0) {
        found.push("pod: runs as root".into());
    }
    if of_pod.seccomp_profile.map(|profile| profile.type_).as_deref() != Some("RuntimeDefault") {
        found.push("pod: seccomp profile is not RuntimeDefault".into());
    }
    for volume in pod.volumes.iter().flatten() {
        let allowed = volume.config_map.is_some()
            || volume.secret.is_some()
            || volume.empty_dir.is_some()
            || volume.persistent_volume_claim.is_some()
            || volume.projected.is_some();
        if !allowed {
            found.push(format!("volume {}: type", volume.name));
        }
    }
    for container in containers(pod) {
        let context = context(container);
        let capabilities = context.capabilities.unwrap_or_default();
        if context.run_as_user == Some(0) || context.run_as_non_root == Some(false) {
            found.push(format!("{}: runs as root", container.name));
        }
        if context.allow_privilege_escalation != Some(false) {
            found.push(format!("{}: may escalate", container.name));
        }
        if capabilities.drop != Some(vec!["ALL".to_owned()]) {
            found.push(format!("{}: keeps capabilities", container.name));
        }
        if added(&capabilities).any(|name| name != "NET_BIND_SERVICE") {
            found.push(format!("{}: adds capabilities", container.name));
        }
    }
    found
}

/// Violations of *baseline*, and of what is asked of every pod here beyond it: a read-only root and no token.
pub fn baseline(pod: &PodSpec) -> Vec<String> {
    const ALLOWED: [&str; 13] = [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ];
    let mut found = Vec::new();
    let host = [pod.host_network, pod.host_pid, pod.host_ipc];
    if host.contains(&Some(true)) {
        found.push("pod: shares a namespace of the host".into());
    }
    if pod.automount_service_account_token != Some(false) {
        found.push("pod: has a token".into());
    }
    for volume in pod.volumes.iter().flatten() {
        if volume.host_path.is_some() {
            found.push(format!("volume {}: is of the host", volume.name));
        }
    }
    for container in containers(pod) {
        let context = context(container);
        if context.privileged == Some(true) {
            found.push(format!("{}: privileged", container.name));
        }
        if context.read_only_root_filesystem != Some(true) {
            found.push(format!("{}: can write its root", container.name));
        }
        if added(&context.capabilities.unwrap_or_default()).any(|name| !ALLOWED.contains(&name)) {
            found.push(format!("{}: adds capabilities beyond baseline", container.name));
        }
        if container
            .ports
            .iter()
            .flatten()
            .any(|port| port.host_port.is_some())
        {
            found.push(format!("{}: takes a port of the host", container.name));
        }
    }
    found
}

fn containers(pod: &PodSpec) -> impl Iterator<Item = &Container> {
    pod.init_containers.iter().flatten().chain(&pod.containers)
}

fn context(container: &Container) -> SecurityContext {
    container.security_context.clone().unwrap_or_default()
}

fn added(capabilities: &Capabilities) -> impl Iterator<Item = &str> {
    capabilities.add.iter().flatten().map(String::as_str)
}
