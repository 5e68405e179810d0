//! What makes a site's machine a node: containerd, kubelet, kube-proxy and the pods' network.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::{PAUSE_IMAGE, Plan};
use crate::machine::{CgroupVersion, Cgroups, Daemon, Machine, Role};
use crate::oci;

/// Where containerd listens, inside the machine.
pub const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

/// Where Debian's containernetworking-plugins are.
pub const CNI_PLUGINS: &str = "/usr/lib/cni";

pub fn containerd(plan: &Plan) -> anyhow::Result<Daemon> {
    let configuration = plan.folder.join("containerd.toml");
    write(&configuration, &containerd_configuration(plan))?;
    write(
        &plan.folder.join("cni").join("10-lab.conflist"),
        &cni(plan).to_string(),
    )?;
    Ok(Daemon {
        program: plan.programs.cri.join("containerd"),
        arguments: vec!["--config".to_owned(), configuration.display().to_string()],
        log: plan.folder.log("containerd"),
        // containerd looks for its shim on the path.
        path: Some(plan.programs.cri.clone()),
    })
}

pub fn daemons(plan: &Plan) -> anyhow::Result<Vec<Daemon>> {
    write(&plan.folder.join("kubelet.yaml"), &kubelet(plan).to_string())?;
    write(&plan.folder.join("proxy.yaml"), &proxy(plan).to_string())?;
    // Pods get no name server of the host's: nothing of a lab asks outside.
    write(&plan.folder.join("resolv.conf"), "")?;
    let path = |name: &str| plan.folder.join(name).display().to_string();
    let kubelet = vec![
        format!("--config={}", path("kubelet.yaml")),
        format!("--kubeconfig={}", plan.folder.kubeconfig("kubelet").display()),
        format!("--root-dir={}", path("kubelet")),
        format!("--cert-dir={}", path("kubelet/pki")),
        format!("--hostname-override={}", plan.site),
        format!("--node-ip={}", plan.network.machine(plan.site)),
        format!("--node-labels=topology.kubernetes.io/zone={}", plan.site),
    ];
    let proxy = vec![format!("--config={}", path("proxy.yaml"))];
    Ok(vec![
        plan.control_plane().program("kubelet", kubelet),
        plan.control_plane().program("kube-proxy", proxy),
    ])
}

/// Puts the pause image into containerd, which must be starting.
pub fn import_pause(plan: &Plan, machine: &Machine) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    // The socket of a power cut's containerd is gone with its /run, so a socket is a living one.
    while machine.exec(&["test", "-S", CONTAINERD_SOCKET]).is_err() {
        if Instant::now() > end {
            bail!(
                "containerd does not listen after 20 s; see {}",
                plan.folder.log("containerd").display()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let pause = fs::read(&plan.programs.pause).with_context(|| plan.programs.pause.display().to_string())?;
    let image = oci::Image {
        name: PAUSE_IMAGE,
        entrypoint: &["/pause"],
        files: &[oci::File {
            path: "pause",
            content: &pause,
            links: &[],
        }],
    };
    import(plan.programs.cri.as_path(), machine, &image.archive()?)
}

/// Imports an OCI archive into the machine's containerd.
pub fn import(cri: &Path, machine: &Machine, archive: &[u8]) -> anyhow::Result<()> {
    let ctr = cri.join("ctr").display().to_string();
    let command = [
        &ctr,
        "--address",
        CONTAINERD_SOCKET,
        "--namespace",
        "k8s.io",
        "images",
        "import",
        "--local",
        "-",
    ];
    machine.exec_with(&command, archive)?;
    Ok(())
}

fn cni(plan: &Plan) -> Value {
    json!({"cniVersion": "1.0.0", "name": "lab", "plugins": [
        // With ptp every packet between pods is routed, so a policy on the forward hook sees them all.
        {"type": "ptp", "ipMasq": false, "mtu": 1500, "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": plan.network.node_pods(plan.site)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "/run/cni-ipam",
        }},
        {"type": "portmap", "capabilities": {"portMappings": true}},
    ]})
}

fn kubelet(plan: &Plan) -> Value {
    let path = |name: &str| plan.folder.join(name).display().to_string();
    let pki = |file: &str| plan.folder.pki(file).display().to_string();
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        // Version 1 of cgroups is refused by default since 1.35.
        "failCgroupV1": CgroupVersion::of_this_kernel() == CgroupVersion::V2,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": Cgroups::of(&plan.lab, Role::Site(plan.site)).path(),
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
        "volumePluginDir": path("plugins"),
        "staticPodPath": path("manifests"),
        "resolvConf": path("resolv.conf"),
        "clusterDNS": [plan.network.dns_service(plan.site)],
        "clusterDomain": "cluster.local",
        "address": plan.network.machine(plan.site),
        "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": pki("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": pki("kubelet-serving.crt"),
        "tlsPrivateKeyFile": pki("kubelet-serving.key"),
        "failSwapOn": false,
        // The disk is the host's, and its fullness no business of a lab's.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%",
                         "nodefs.inodesFree": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": false,
    })
}

fn proxy(plan: &Plan) -> Value {
    let (machine, wan) = (plan.network.machine(plan.site), plan.network.wan(plan.site));
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": plan.folder.kubeconfig("proxy")},
        "clusterCIDR": plan.network.pods(plan.site),
        "hostnameOverride": plan.site,
        "bindAddress": machine,
        "nodePortAddresses": [format!("{machine}/32"), format!("{wan}/32")],
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        // Zero leaves the host's own limits alone.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    })
}

fn containerd_configuration(plan: &Plan) -> String {
    format!(
        r#"version = 3
root = "{root}"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs", "io.containerd.differ.v1.erofs",
  "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri",
]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{PAUSE_IMAGE}"
[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  # Where root lacks CAP_SYS_RESOURCE, runc can't lower the score of the pause container.
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{CNI_PLUGINS}"]
    conf_dir = "{cni}"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "{runc}"
      SystemdCgroup = false
"#,
        root = plan.folder.join("containerd").display(),
        cni = plan.folder.join("cni").display(),
        runc = plan.programs.cri.join("runc").display(),
    )
}

/// Leaves a file alone that says so already: kube-proxy ends when its own is written, and one program of a running site may
/// be started by itself.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if fs::read_to_string(path).is_ok_and(|known| known == text) {
        return Ok(());
    }
    fs::write(path, text).with_context(|| path.display().to_string())
}
