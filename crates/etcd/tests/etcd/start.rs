//! `images/etcd/start-member`: what becomes of a volume, by what is on it and what the others say.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use govuc_etcd::{
    Etcd,
    testbed::{Testbed, program},
};
use tempfile::TempDir;

use crate::{LIMIT, eventually};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../images/etcd/start-member");
/// The member that is started by the script.
const STARTED: usize = 1;

/// What stands around the script in its image.
struct Surroundings(TempDir);

impl Surroundings {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program: Vec<String> = program()
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        executable(
            &folder.path().join("etcd"),
            &format!("exec {} \"$@\"", program.join(" ")),
        );
        // The lab's program has no etcdctl: then this says what the test had the members say. Else what is there is asked, once
        // the test lets them speak.
        let list = folder.path().join("list");
        let list = list.display();
        let beside = Path::new(&program[0]).with_file_name("etcdctl");
        let asked = if beside.exists() {
            format!("[ -e {list} ] && exec {} \"$@\"", beside.display())
        } else {
            format!("exec cat {list}")
        };
        executable(&folder.path().join("etcdctl"), &asked);
        Self(folder)
    }

    /// What the others answer from now on.
    async fn list(&self, bed: &Testbed, asked: &[usize]) {
        let etcd = Etcd::new(bed.settings_of(asked)).unwrap();
        let members = etcd.members(LIMIT).await.unwrap();
        let text = members.iter().fold(String::new(), |mut text, member| {
            let state = if member.name.is_empty() {
                "unstarted"
            } else {
                "started"
            };
            writeln!(
                text,
                "{:x}, {state}, {}, {}, {}, {}",
                member.id.0,
                member.name,
                member.peer_urls.join(","),
                member.client_urls.join(","),
                member.is_learner
            )
            .unwrap();
            text
        });
        fs::write(self.0.path().join("list"), text).unwrap();
    }

    /// The file that tells a site that there is a cluster, and which.
    fn formed(&self) -> PathBuf {
        self.0.path().join("formed")
    }

    async fn form(&self, bed: &Testbed) {
        let etcd = Etcd::new(bed.settings()).unwrap();
        let status = etcd.status(&bed.endpoint(0), LIMIT).await.unwrap();
        fs::write(self.formed(), format!("{:x}", status.cluster)).unwrap();
    }

    fn start(&self, bed: &mut Testbed) {
        let others = [0, 2].map(|other| format!("https://{}", bed.endpoint(other)));
        let mut settings =
            bed.environment(STARTED)
                .into_iter()
                .fold(String::new(), |mut text, (name, value)| {
                    writeln!(text, "{name}={value}").unwrap();
                    text
                });
        writeln!(settings, "MEMBER_ENDPOINTS={}", others.join(",")).unwrap();
        writeln!(settings, "MEMBER_FORMED_FILE={}", self.formed().display()).unwrap();
        writeln!(settings, "MEMBER_CLUSTER=").unwrap();
        let file = self.0.path().join("etcd.env");
        fs::write(&file, settings).unwrap();
        let path = format!("PATH={}:/usr/bin:/bin", self.0.path().display());
        let arguments = ["env".into(), path.into(), "sh".into(), SCRIPT.into(), file.into()];
        bed.start_member_by(STARTED, Vec::<OsString>::from(arguments));
    }
}

fn executable(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Waits until the script says so, and has not become etcd.
async fn says(bed: &mut Testbed, word: &str) {
    let told = async || bed.log(STARTED).contains(word);
    eventually(word, told).await;
    assert!(bed.runs(STARTED), "it looks again");
    assert!(!bed.data(STARTED).join("member/wal").exists() || word.starts_with("foreign"));
}

async fn cluster(bed: &Testbed, member: usize) -> u64 {
    let etcd = Etcd::new(bed.settings_of(&[member])).unwrap();
    etcd.status(&bed.endpoint(member), LIMIT).await.unwrap().cluster
}

#[tokio::test]
async fn a_volume_with_a_log_of_the_services_cluster_starts_whatever_the_others_say() {
    let mut bed = Testbed::start(3).await;
    let around = Surroundings::new();
    around.form(&bed).await;
    bed.kill(STARTED);
    around.start(&mut bed);
    bed.ready(STARTED).await;
    assert_eq!(cluster(&bed, STARTED).await, cluster(&bed, 0).await);
    // As before the cluster was written down.
    bed.kill(STARTED);
    fs::remove_file(around.formed()).unwrap();
    around.start(&mut bed);
    bed.ready(STARTED).await;
}

#[tokio::test]
async fn a_volume_of_another_cluster_never_starts_and_stays_as_it_is() {
    let mut bed = Testbed::start(3).await;
    let foreign = Testbed::start(1).await;
    let around = Surroundings::new();
    around.form(&bed).await;
    bed.empty(STARTED);
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args([foreign.data(0), bed.data(STARTED)])
        .status();
    assert!(copied.unwrap().success());
    around.start(&mut bed);
    let (theirs, ours) = (cluster(&foreign, 0).await, cluster(&bed, 0).await);
    let told = format!(
        "foreign {theirs:x}: this member's volume is of another cluster, and the service's is {ours:x}"
    );
    says(&mut bed, &told).await;
    assert!(bed.data(STARTED).join("member/wal").exists());
}

#[tokio::test]
async fn an_empty_volume_waits_for_a_place_and_takes_it() {
    let mut bed = Testbed::start(3).await;
    let around = Surroundings::new();
    around.form(&bed).await;
    bed.empty(STARTED);
    around.start(&mut bed);
    says(&mut bed, "waiting: ").await;
    around.list(&bed, &[0, 2]).await;
    let etcd = Etcd::new(bed.settings_of(&[0, 2])).unwrap();
    let members = etcd.members(LIMIT).await.unwrap();
    let lost = members
        .iter()
        .find(|member| member.peer_urls.contains(&bed.peer_url(STARTED)))
        .unwrap()
        .id;
    says(&mut bed, &format!("replace {lost}: ")).await;
    eventually("it is removed", async || {
        etcd.remove_member(lost, LIMIT).await.is_ok()
    })
    .await;
    around.list(&bed, &[0, 2]).await;
    says(&mut bed, "absent: ").await;
    eventually("it has a place", async || {
        etcd.add_learner(&bed.peer_url(STARTED), LIMIT).await.is_ok()
    })
    .await;
    around.list(&bed, &[0, 2]).await;
    eventually("it follows", async || {
        let status = etcd.status(&bed.endpoint(STARTED), LIMIT).await;
        status.is_ok_and(|status| status.is_learner && status.leader.is_some())
    })
    .await;
    assert_eq!(cluster(&bed, STARTED).await, cluster(&bed, 0).await);
}

#[tokio::test]
async fn an_empty_volume_begins_a_cluster_only_where_none_is_known_and_none_answers() {
    let mut fresh = Testbed::start(3).await;
    for member in 0..3 {
        fresh.empty(member);
    }
    let around = Surroundings::new();
    around.start(&mut fresh);
    fresh.start_member(0);
    fresh.ready(0).await;
    fresh.ready(STARTED).await;
    // A site that was set up anew knows of no cluster, and is told of one.
    fresh.start_member(2);
    fresh.ready(2).await;
    fresh.empty(STARTED);
    around.list(&fresh, &[0, 2]).await;
    around.start(&mut fresh);
    says(&mut fresh, "replace ").await;
}
