//! A slow line: frames of a site go through this process, which holds each back for a while.
//!
//! The kernel's own way (netem) is not in every kernel. The site's port moves to a bridge of its own; a TAP device in it
//! and one in the common bridge are the two ends of the relay. A TAP device also makes the kernel finish checksums
//! and cut big packets to size, as a real card would.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use tappers::{Interface, Tap};

use super::wait_for_port;
use crate::command::run as run_program;
use crate::lab::Lab;
use crate::machine::{BRIDGE, Daemon, Machine};
use crate::network::Site;
use crate::paths::this_program;

/// Enough for any frame on a line with the usual MTU.
const FRAME: usize = 2048;

/// Starts, restarts or ends the relay of `site`.
pub fn set(lab: &Lab, wan: &Machine, site: Site, delay: Option<u32>) -> anyhow::Result<()> {
    let wanted = delay.map(|ms| arguments(site, ms));
    let is_relay = |words: &[String]| words.get(1..3) == Some(&arguments(site, 0)[..2]);
    let relays: Vec<_> = wan
        .processes()
        .into_iter()
        .filter(|process| is_relay(process.arguments()))
        .collect();
    let as_wanted = |words: &[String]| {
        wanted
            .as_ref()
            .is_some_and(|wanted| words.get(1..) == Some(&wanted[..]))
    };
    if relays.len() == usize::from(delay.is_some()) && relays.iter().all(|relay| as_wanted(relay.arguments()))
    {
        // A revived site's port is new, and was put where it belongs without a relay.
        let bridge = if delay.is_some() {
            aside(site)
        } else {
            BRIDGE.to_owned()
        };
        wan.exec(&["ip", "link", "set", &site.port(), "master", &bridge])?;
        return Ok(());
    }
    for relay in relays {
        // With the process its devices vanish.
        relay.kill()?;
    }
    wan.exec(&["ip", "link", "set", &site.port(), "master", BRIDGE])?;
    // Absent, unless there was a relay.
    let _ = wan.exec(&["ip", "link", "del", &aside(site)]);
    if let Some(arguments) = wanted {
        wan.spawn(&Daemon {
            program: this_program()?,
            arguments,
            log: lab.folder.path().join(format!("relay-{site}.log")),
            path: None,
        })?;
        wait_for_port(wan, &site.relayed_port())?;
    }
    Ok(())
}

/// Relays the frames of `site` until killed. Runs in the network of the bridge.
pub fn run(site: Site, delay: Duration) -> anyhow::Result<()> {
    let (bridge, inner, outer) = (aside(site), format!("i{}", site.number()), site.relayed_port());
    let ip = |line: String| run_program(std::process::Command::new("ip").args(line.split(' ')));
    ip(format!("link add {bridge} type bridge"))?;
    let near = tap(&inner)?;
    let far = tap(&outer)?;
    ip(format!("link set {inner} master {bridge} up"))?;
    ip(format!("link set {} master {bridge}", site.port()))?;
    ip(format!("link set {bridge} up"))?;
    ip(format!("link set {outer} master {BRIDGE} up"))?;
    thread::scope(|scope| {
        let there = scope.spawn(|| carry(&near, &far, delay));
        let back = scope.spawn(|| carry(&far, &near, delay));
        [there, back].into_iter().try_for_each(|way| {
            way.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
    .context("carrying frames")
}

/// Reads at once and writes when it is time, so that the delay does not limit the rate.
fn carry(from: &Tap, to: &Tap, delay: Duration) -> io::Result<()> {
    let (queue, due) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for (time, frame) in due {
                thread::sleep(time.saturating_duration_since(Instant::now()));
                // A full queue on the other side loses the frame, like any line.
                let _ = to.send(&frame);
            }
        });
        let mut buffer = [0; FRAME];
        loop {
            let length = from.recv(&mut buffer)?;
            if queue
                .send((Instant::now() + delay, buffer[..length].to_vec()))
                .is_err()
            {
                return Ok(());
            }
        }
    })
}

fn tap(name: &str) -> anyhow::Result<Tap> {
    let open = || Tap::new_named(Interface::new(name)?);
    open().with_context(|| format!("TAP device {name}; /dev/net/tun must be there (`modprobe tun`)"))
}

fn arguments(site: Site, ms: u32) -> Vec<String> {
    vec!["relay".to_owned(), site.to_string(), ms.to_string()]
}

/// The bridge that a delayed site's port is moved to.
fn aside(site: Site) -> String {
    format!("slow{}", site.number())
}
