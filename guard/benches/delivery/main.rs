//! What the guard adds to a delivery: `cargo lab bench delivery`.
//!
//! Two stores on loopback, each of two real engines that sync before they answer. In one the engines are each other's peers;
//! in the other each has its guard in front. Mail is brought to both in turn. Prints every measurement, a line of JSON each;
//! `cargo lab` makes the page of them.

// What can't be started can't be measured: a bench says so by panicking.
#![allow(clippy::unwrap_used)]

mod container;
mod direct;
mod guarded;
mod imap;
mod lmtp;
#[path = "../../tests/guard/support/pki.rs"]
mod pki;
#[allow(dead_code, unused_imports)] // The guard uses more of it, and its tests.
#[path = "../../src/engine/template.rs"]
mod template;

use std::{env, thread, time::Instant};

use govuc_etcd::testbed::Testbed;
use serde::Serialize;

use direct::Direct;
use guarded::Guarded;
use lmtp::{Delivered, Door};
use pki::Authority;

const STORE: &str = "mail-1";
const SITES: [&str; 2] = ["pdsa1", "pdsa2"];
/// Bytes.
const SIZES: [usize; 2] = [2_000, 100_000];
const ROUNDS: u32 = 10;
/// Of one client in a round.
const ALONE: usize = 100;
/// Of each of several clients in a round.
const TOGETHER: usize = 25;
const CLIENTS: usize = 8;

/// Which way mail takes to a store that has a follower.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Setup {
    /// The engine's own LMTP and sync, both without TLS.
    Direct,
    /// The engine's own LMTP with its TLS, its sync without.
    EngineTls,
    /// The gate and both relays, all with TLS.
    Guarded,
}

/// How many messages a connection is kept for.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Connection {
    /// For all of a client's.
    Kept,
    /// For one, as Postfix does where TLS is.
    Each,
}

/// What one way brought in one round.
#[derive(Serialize)]
struct Measured {
    round: u32,
    setup: Setup,
    connection: Connection,
    /// Of a message, in bytes.
    size: usize,
    clients: usize,
    /// For all messages.
    seconds: f64,
    /// From the end of each message to its answer, in milliseconds.
    answers: Vec<f64>,
    /// From before each message's connection, or before its sender if that was kept, to its answer, in milliseconds.
    sessions: Vec<f64>,
}

fn main() {
    // cargo asks every bench for its tests, of which there are none.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    let rounds = env::var("GOVUC_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let etcd = runtime.block_on(Testbed::start(1));
    let authority = Authority::new();
    // A mailbox costs more the more is in it, so each way has as many as the others, and its own.
    let [plain, tls, own] = ["plain", "tls", "guarded"].map(users);
    let direct = Direct::start(&[&plain[..], &tls].concat());
    let guarded = Guarded::start(&authority, &etcd, &own);
    let mut doors = [
        (Setup::Direct, direct.door(), plain),
        (Setup::EngineTls, direct.tls_door(), tls),
        (Setup::Guarded, guarded.door(), own),
    ];
    // The first round warms up.
    for round in 0..=rounds {
        for connection in [Connection::Kept, Connection::Each] {
            for size in SIZES {
                for clients in [1, CLIENTS] {
                    for (setup, door, users) in &doors {
                        let (seconds, delivered) = deliver(door, connection, size, &users[..clients]);
                        let milliseconds = |of: fn(&Delivered) -> f64| delivered.iter().map(of).collect();
                        let measured = Measured {
                            round,
                            setup: *setup,
                            connection,
                            size,
                            clients,
                            seconds,
                            answers: milliseconds(|one| one.answer.as_secs_f64() * 1e3),
                            sessions: milliseconds(|one| one.session.as_secs_f64() * 1e3),
                        };
                        if round > 0 {
                            println!("{}", serde_json::to_string(&measured).unwrap());
                        }
                    }
                    // None is always the first after a pause, nor behind the same other.
                    doors.rotate_left(1);
                }
            }
        }
        direct.assert_in_step();
        guarded.assert_in_step();
        eprintln!("round {round} of {rounds}");
    }
}

fn users(way: &str) -> Vec<String> {
    (0..CLIENTS).map(|number| format!("{way}{number}")).collect()
}

/// A client for each of `users`, at once; what all of them took, in seconds, and each of their messages.
fn deliver(door: &Door, connection: Connection, size: usize, users: &[String]) -> (f64, Vec<Delivered>) {
    let number = if users.len() == 1 { ALONE } else { TOGETHER };
    let begun = Instant::now();
    let delivered = thread::scope(|scope| {
        let clients: Vec<_> = users
            .iter()
            .map(|user| {
                scope.spawn(move || match connection {
                    Connection::Kept => door.many(user, size, number),
                    Connection::Each => (0..number).map(|_| door.one(user, size)).collect(),
                })
            })
            .collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });
    (begun.elapsed().as_secs_f64(), delivered)
}
