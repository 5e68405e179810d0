//! The processes of a store's pod, and of the roles' members, as the host sees them.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::ensure;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::machine::{Machine, Process};
use crate::network::Site;
use crate::service::Service;
use crate::site;

/// How long a process may go on after it was stopped.
const STOPPING: Duration = Duration::from_secs(5);
/// Where a guard is told which store it has.
const STORE: &str = "etc/govuc/store/store.json";

/// The guard of a store.
pub fn guard(service: &Service, place: Site, store: &str) -> anyhow::Result<Vec<Process>> {
    of_store(service, place, store, "govuc-guard")
}

/// The master of a store's engine.
pub fn engine(service: &Service, place: Site, store: &str) -> anyhow::Result<Vec<Process>> {
    of_store(service, place, store, "master")
}

fn of_store(service: &Service, place: Site, store: &str, program: &str) -> anyhow::Result<Vec<Process>> {
    let machine = site::machine(&service.lab, place)?;
    let found: Vec<Process> = machine
        .processes()
        .into_iter()
        .filter(|process| process.program() == program && store_of(process).as_deref() == Some(store))
        .collect();
    ensure!(!found.is_empty(), "no {program} of {store} runs at {place}");
    Ok(found)
}

/// A site's member of the roles' etcd, which is not the one of its Kubernetes.
pub fn member(service: &Service, place: Site) -> anyhow::Result<Vec<Process>> {
    let machine = site::machine(&service.lab, place)?;
    let own: Vec<u32> = if place.is_data_centre() {
        machine.programs().iter().map(Process::pid).collect()
    } else {
        Vec::new()
    };
    let found: Vec<Process> = machine
        .processes()
        .into_iter()
        .filter(|process| process.program() == "etcd" && !own.contains(&process.pid()))
        .collect();
    ensure!(!found.is_empty(), "no member of the roles' etcd runs at {place}");
    Ok(found)
}

/// The operator's replicas at a site.
pub fn operators(service: &Service, place: Site) -> anyhow::Result<Vec<Process>> {
    let machine = site::machine(&service.lab, place)?;
    let found: Vec<Process> = machine
        .processes()
        .into_iter()
        .filter(|process| process.program() == "govuc")
        .collect();
    ensure!(!found.is_empty(), "no operator runs at {place}");
    Ok(found)
}

/// Processes that were stopped by a signal.
pub fn stopped(machine: &Machine) -> Vec<Process> {
    let is_stopped = |process: &Process| stands_still(&format!("/proc/{}", process.pid()));
    machine.processes().into_iter().filter(is_stopped).collect()
}

/// Stops each where it stands, and waits until it does: on a busy machine its other threads go on for a moment after the
/// signal was sent.
pub async fn stop(processes: &[Process]) -> anyhow::Result<()> {
    signal(processes, Signal::SIGSTOP);
    let start = Instant::now();
    while !processes.iter().all(each_thread_stands_still) {
        ensure!(
            start.elapsed() < STOPPING,
            "a process goes on {STOPPING:?} after SIGSTOP"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn each_thread_stands_still(process: &Process) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", process.pid())) else {
        return true;
    };
    threads
        .flatten()
        .all(|thread| stands_still(&thread.path().display().to_string()))
}

/// Whether the process or thread with this folder in /proc was stopped by a signal.
fn stands_still(folder: &str) -> bool {
    let stat = fs::read_to_string(format!("{folder}/stat"));
    stat.is_ok_and(|stat| {
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
    })
}

/// Sends a signal to each; one that has ended needs none.
pub fn signal(processes: &[Process], signal: Signal) {
    for process in processes {
        // A pid fits: the kernel's limit is 2^22.
        let _ = kill(Pid::from_raw(process.pid() as i32), signal);
    }
}

fn store_of(process: &Process) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{}/root/{STORE}", process.pid())).ok()?;
    let said: Value = serde_json::from_str(&text).ok()?;
    Some(said["store"].as_str()?.to_owned())
}
