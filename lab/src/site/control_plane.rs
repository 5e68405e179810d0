//! etcd, API server, controller manager and scheduler: of a site, or alone on loopback.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::Context;

use crate::machine::Daemon;
use crate::network::Site;
use crate::paths::SiteFolder;

/// One control plane: where it listens and where it keeps what.
pub struct ControlPlane {
    pub site: Site,
    pub folder: SiteFolder,
    pub kubernetes: PathBuf,
    /// The addresses of Services, as a CIDR.
    pub services: String,
    /// Where the API server listens.
    pub bind: Ipv4Addr,
    /// The address that clients are told.
    pub address: Ipv4Addr,
    /// Everything else the API server is called by.
    pub aliases: Vec<Ipv4Addr>,
    pub ports: Ports,
    /// Whether there is a kubelet to talk to.
    pub has_nodes: bool,
}

/// Where the parts of one control plane listen.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub etcd: u16,
    pub etcd_peers: u16,
    pub api: u16,
    pub controller_manager: u16,
    pub scheduler: u16,
}

/// The ports everybody expects, for a control plane with a network of its own.
pub const USUAL_PORTS: Ports = Ports {
    etcd: 2379,
    etcd_peers: 2380,
    api: 6443,
    controller_manager: 10257,
    scheduler: 10259,
};

/// Every write, who made it and to what, and what the operator reads; nothing else: enough to count what a controller does, and
/// to hold what the operator asks for against what it may.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [\"system:serviceaccount:govuc-system:govuc\"]
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: None
";

impl ControlPlane {
    /// The URL of the API server.
    pub fn server(&self) -> String {
        format!("https://{}:{}", self.address, self.ports.api)
    }

    /// What can start at once: etcd and the API server, which waits for it.
    pub fn first(&self) -> anyhow::Result<Vec<Daemon>> {
        let policy = self.folder.join("audit-policy.yaml");
        fs::write(&policy, AUDIT_POLICY).with_context(|| policy.display().to_string())?;
        Ok(vec![
            self.program("etcd", self.etcd()),
            self.program("kube-apiserver", self.apiserver()),
        ])
    }

    /// What may start once the API server is ready.
    pub fn second(&self) -> Vec<Daemon> {
        let scheduler = self.as_client("scheduler", self.ports.scheduler);
        vec![
            self.program("kube-controller-manager", self.controller_manager()),
            self.program("kube-scheduler", scheduler),
        ]
    }

    /// A command of the one Kubernetes program.
    pub fn program(&self, command: &str, flags: Vec<String>) -> Daemon {
        Daemon {
            program: self.kubernetes.clone(),
            arguments: [vec![command.to_owned()], flags].concat(),
            log: self.folder.log(command),
            path: None,
        }
    }

    fn etcd(&self) -> Vec<String> {
        let Ports { etcd, etcd_peers, .. } = self.ports;
        let name = self.site;
        vec![
            format!("--name={name}"),
            format!("--data-dir={}", self.folder.join("etcd").display()),
            // A killed process loses nothing by it, only a crash of the whole host would.
            "--unsafe-no-fsync".to_owned(),
            format!("--listen-client-urls=http://127.0.0.1:{etcd}"),
            format!("--advertise-client-urls=http://127.0.0.1:{etcd}"),
            format!("--listen-peer-urls=http://127.0.0.1:{etcd_peers}"),
            format!("--initial-advertise-peer-urls=http://127.0.0.1:{etcd_peers}"),
            format!("--initial-cluster={name}=http://127.0.0.1:{etcd_peers}"),
            "--log-level=warn".to_owned(),
            "--quota-backend-bytes=2147483648".to_owned(),
        ]
    }

    fn apiserver(&self) -> Vec<String> {
        let pki = |file: &str| self.folder.pki(file).display().to_string();
        let mut flags = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd),
            format!("--advertise-address={}", self.address),
            format!("--bind-address={}", self.bind),
            format!("--secure-port={}", self.ports.api),
            format!("--tls-cert-file={}", pki("apiserver.crt")),
            format!("--tls-private-key-file={}", pki("apiserver.key")),
            format!("--client-ca-file={}", pki("ca.crt")),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--allow-privileged".to_owned(),
            format!("--service-cluster-ip-range={}", self.services),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
            format!("--service-account-key-file={}", pki("sa.pub")),
            format!("--service-account-signing-key-file={}", pki("sa.key")),
            format!("--requestheader-client-ca-file={}", pki("front-proxy-ca.crt")),
            "--requestheader-allowed-names=front-proxy-client".to_owned(),
            "--requestheader-username-headers=X-Remote-User".to_owned(),
            "--requestheader-group-headers=X-Remote-Group".to_owned(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
            format!("--proxy-client-cert-file={}", pki("front-proxy.crt")),
            format!("--proxy-client-key-file={}", pki("front-proxy.key")),
            format!(
                "--audit-policy-file={}",
                self.folder.join("audit-policy.yaml").display()
            ),
            format!("--audit-log-path={}", self.folder.log("audit").display()),
            "--audit-log-maxsize=200".to_owned(),
            "--audit-log-maxbackup=1".to_owned(),
            "--profiling=false".to_owned(),
        ];
        if self.has_nodes {
            flags.extend([
                format!("--kubelet-client-certificate={}", pki("apiserver-kubelet.crt")),
                format!("--kubelet-client-key={}", pki("apiserver-kubelet.key")),
                format!("--kubelet-certificate-authority={}", pki("ca.crt")),
                "--kubelet-preferred-address-types=InternalIP,Hostname".to_owned(),
            ]);
        } else {
            // Loopback is no address an endpoint may have.
            flags.push("--endpoint-reconciler-type=none".to_owned());
        }
        flags
    }

    fn controller_manager(&self) -> Vec<String> {
        let pki = |file: &str| self.folder.pki(file).display().to_string();
        let mut flags = self.as_client("controller-manager", self.ports.controller_manager);
        flags.extend([
            format!("--service-account-private-key-file={}", pki("sa.key")),
            format!("--root-ca-file={}", pki("ca.crt")),
            format!("--cluster-signing-cert-file={}", pki("ca.crt")),
            format!("--cluster-signing-key-file={}", pki("ca.key")),
            format!("--requestheader-client-ca-file={}", pki("front-proxy-ca.crt")),
            "--use-service-account-credentials".to_owned(),
            // It makes some hundred requests before its first controller runs; the default rate would take 4 s for them.
            "--kube-api-qps=300".to_owned(),
            "--kube-api-burst=600".to_owned(),
            // The fixed default is shared by everything on this host.
            format!(
                "--flex-volume-plugin-dir={}",
                self.folder.join("plugins").display()
            ),
        ]);
        flags
    }

    /// Alone in its cluster, a component needs no election, which would cost more than its work.
    fn as_client(&self, user: &str, port: u16) -> Vec<String> {
        let kubeconfig = self.folder.kubeconfig(user).display().to_string();
        vec![
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            "--leader-elect=false".to_owned(),
            "--profiling=false".to_owned(),
        ]
    }
}
