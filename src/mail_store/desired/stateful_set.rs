//! The pod of a store: the guard as process 1, and Cyrus as its child.

use govuc_wire::names;
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{PersistentVolumeClaim, Probe},
};

use super::assignment;
use crate::{
    mail_store::Store,
    part::{
        Owner,
        pod::{self, Medium, Needs},
        workload::{self, Claim},
    },
    roles,
};

/// The Secret with the key of session tokens, in `govuc-mail`.
pub const SESSION_SECRET: &str = "session-key";

/// What the container of guard and engine is called.
pub const CONTAINER: &str = "guard";

/// Debian's package refuses a `cyrus` user of 1000 and above.
const CYRUS_USER: i64 = 900;
/// Debian's `mail`, the primary group of `cyrus`. With any other, Cyrus' master would have to change its group, which
/// takes a capability.
const CYRUS_GROUP: i64 = 8;
const NEEDS: Needs = Needs { cpu: 50, memory: 128 };
/// A primary hands over within 20 s and stops its engine after that.
const GRACE_SECONDS: i64 = 60;

/// `leased`: the guard asks the roles' etcd. `restarts_with` is [`assignment::restarts_with`]: a changed role must not end the process that is to carry it out.
pub fn stateful_set(
    store: &Store,
    image: &str,
    leased: bool,
    restarts_with: &str,
    owner: Owner<'_>,
) -> StatefulSet {
    let mut guard = pod::container(CONTAINER, image, NEEDS);
    guard.ports = Some(vec![
        pod::port("tls", names::TLS_PORT),
        pod::port("http", names::PROBE_PORT),
    ]);
    // A big store recovers its databases for minutes after a power cut.
    guard.startup_probe = Some(Probe {
        period_seconds: Some(2),
        failure_threshold: Some(300),
        ..pod::http_probe("/livez")
    });
    guard.liveness_probe = Some(pod::http_probe("/livez"));
    guard.readiness_probe = Some(Probe {
        period_seconds: Some(5),
        ..pod::http_probe("/readyz")
    });
    let mut mounts = vec![
        pod::mount("data", "/var/lib/govuc"),
        pod::mount("run", "/run/cyrus"),
        pod::mount("tmp", "/tmp"),
        pod::read_only("store", "/etc/govuc/store"),
        pod::read_only("session", "/etc/govuc/session"),
        pod::tls_mount(),
    ];
    let mut volumes = vec![
        pod::claimed_volume("data", &store.part.name),
        // The engine's configuration holds the password of the sync connection.
        pod::scratch_volume("run", Medium::Memory),
        pod::scratch_volume("tmp", Medium::Memory),
        pod::config_volume("store", &assignment::name(store)),
        pod::secret_volume("session", SESSION_SECRET),
        pod::tls_volume(&store.part),
    ];
    if leased {
        mounts.push(roles::client_mount());
        volumes.push(roles::client_volume());
    }
    guard.volume_mounts = Some(mounts);
    let mut spec = pod::spec(&store.part, CYRUS_USER, vec![guard], volumes);
    spec.security_context.get_or_insert_default().run_as_group = Some(CYRUS_GROUP);
    spec.termination_grace_period_seconds = Some(GRACE_SECONDS);
    workload::stateful_set(&store.part, spec, restarts_with, owner)
}

/// The store's mail.
pub fn volume_claim(store: &Store) -> PersistentVolumeClaim {
    workload::volume_claim(
        &store.part,
        Claim {
            size: store.size.clone(),
            class: store.class.as_deref(),
        },
    )
}
