//! etcd, API server, controller manager and scheduler of a site.

use std::fs;

use anyhow::Context;

use super::Plan;
use crate::machine::Daemon;

/// Every write, who made it and to what, and nothing else: enough to count what a controller does.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: None
";

/// What can start at once: etcd and the API server, which waits for it.
pub fn first(plan: &Plan) -> anyhow::Result<Vec<Daemon>> {
    let policy = plan.folder.join("audit-policy.yaml");
    fs::write(&policy, AUDIT_POLICY).with_context(|| policy.display().to_string())?;
    Ok(vec![
        program(plan, "etcd", etcd(plan)),
        program(plan, "kube-apiserver", apiserver(plan)),
    ])
}

/// What may start once the API server is ready.
pub fn second(plan: &Plan) -> Vec<Daemon> {
    vec![
        program(plan, "kube-controller-manager", controller_manager(plan)),
        program(plan, "kube-scheduler", scheduler(plan)),
    ]
}

/// A command of the one Kubernetes program.
pub fn program(plan: &Plan, command: &str, flags: Vec<String>) -> Daemon {
    Daemon {
        program: plan.programs.kubernetes.clone(),
        arguments: [vec![command.to_owned()], flags].concat(),
        log: plan.folder.log(command),
        path: None,
    }
}

fn etcd(plan: &Plan) -> Vec<String> {
    let name = plan.site;
    vec![
        format!("--name={name}"),
        format!("--data-dir={}", plan.folder.join("etcd").display()),
        // A killed process loses nothing by it, only a crash of the whole host would.
        "--unsafe-no-fsync".to_owned(),
        "--listen-client-urls=http://127.0.0.1:2379".to_owned(),
        "--advertise-client-urls=http://127.0.0.1:2379".to_owned(),
        "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--initial-advertise-peer-urls=http://127.0.0.1:2380".to_owned(),
        format!("--initial-cluster={name}=http://127.0.0.1:2380"),
        "--log-level=warn".to_owned(),
        "--quota-backend-bytes=2147483648".to_owned(),
    ]
}

fn apiserver(plan: &Plan) -> Vec<String> {
    let pki = |file: &str| plan.folder.pki(file).display().to_string();
    vec![
        "--etcd-servers=http://127.0.0.1:2379".to_owned(),
        format!("--advertise-address={}", plan.network.machine(plan.site)),
        "--bind-address=0.0.0.0".to_owned(),
        "--secure-port=6443".to_owned(),
        format!("--tls-cert-file={}", pki("apiserver.crt")),
        format!("--tls-private-key-file={}", pki("apiserver.key")),
        format!("--client-ca-file={}", pki("ca.crt")),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged".to_owned(),
        format!("--service-cluster-ip-range={}", plan.network.services(plan.site)),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-key-file={}", pki("sa.pub")),
        format!("--service-account-signing-key-file={}", pki("sa.key")),
        format!("--kubelet-client-certificate={}", pki("apiserver-kubelet.crt")),
        format!("--kubelet-client-key={}", pki("apiserver-kubelet.key")),
        format!("--kubelet-certificate-authority={}", pki("ca.crt")),
        "--kubelet-preferred-address-types=InternalIP,Hostname".to_owned(),
        format!("--requestheader-client-ca-file={}", pki("front-proxy-ca.crt")),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        format!("--proxy-client-cert-file={}", pki("front-proxy.crt")),
        format!("--proxy-client-key-file={}", pki("front-proxy.key")),
        format!(
            "--audit-policy-file={}",
            plan.folder.join("audit-policy.yaml").display()
        ),
        format!("--audit-log-path={}", plan.folder.log("audit").display()),
        "--audit-log-maxsize=100".to_owned(),
        "--audit-log-maxbackup=1".to_owned(),
        "--profiling=false".to_owned(),
    ]
}

fn controller_manager(plan: &Plan) -> Vec<String> {
    let pki = |file: &str| plan.folder.pki(file).display().to_string();
    let mut flags = as_client(plan, "controller-manager");
    flags.extend([
        format!("--service-account-private-key-file={}", pki("sa.key")),
        format!("--root-ca-file={}", pki("ca.crt")),
        format!("--cluster-signing-cert-file={}", pki("ca.crt")),
        format!("--cluster-signing-key-file={}", pki("ca.key")),
        format!("--requestheader-client-ca-file={}", pki("front-proxy-ca.crt")),
        "--use-service-account-credentials".to_owned(),
        // The fixed default is shared by everything on this host.
        format!(
            "--flex-volume-plugin-dir={}",
            plan.folder.join("plugins").display()
        ),
    ]);
    flags
}

fn scheduler(plan: &Plan) -> Vec<String> {
    as_client(plan, "scheduler")
}

/// Alone in its cluster, a component needs no election, which would cost more than its work.
fn as_client(plan: &Plan, user: &str) -> Vec<String> {
    let kubeconfig = plan.folder.kubeconfig(user).display().to_string();
    vec![
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--leader-elect=false".to_owned(),
        "--profiling=false".to_owned(),
    ]
}
