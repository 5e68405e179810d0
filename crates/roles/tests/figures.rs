//! The figures of `docs/protocol.md` are those of the code.

use std::time::Duration;

use govuc_roles::timing::{self, Timing};

const PAGE: &str = include_str!("../../../docs/protocol.md");

#[test]
fn the_page_has_every_figure_of_the_code() {
    let Timing {
        ttl,
        renew,
        silence,
        deadline,
        heartbeat,
        withhold,
        promote,
        quiet,
        switchover,
        leave,
        untaken,
        behind,
    } = Timing::PROTOCOL;
    for (name, value) in [
        ("Timing::ttl", ttl),
        ("Timing::renew", renew),
        ("Timing::silence", silence),
        ("Timing::deadline", deadline),
        ("Timing::heartbeat", heartbeat),
        ("Timing::withhold", withhold),
        ("Timing::promote", promote),
        ("Timing::quiet", quiet),
        ("Timing::switchover", switchover),
        ("Timing::leave", leave),
        ("Timing::untaken", untaken),
        ("Timing::behind", behind),
        ("timing::ATTEMPT", timing::ATTEMPT),
        ("timing::READ_AGAIN", timing::READ_AGAIN),
        ("timing::DRAIN", timing::DRAIN),
        ("timing::FINAL_SYNC", timing::FINAL_SYNC),
        ("timing::SYNC_CONNECT", timing::SYNC_CONNECT),
        ("timing::SYNC_ANSWER", timing::SYNC_ANSWER),
        ("timing::CATCH_UP_ANSWER", timing::CATCH_UP_ANSWER),
        ("timing::PAIRING_FIRST", timing::PAIRING_FIRST),
        ("timing::PAIRING_MOST", timing::PAIRING_MOST),
        ("timing::TERMINATION", timing::TERMINATION),
        ("timing::ISOLATED", timing::ISOLATED),
        ("timing::ETCD_ELECTION", timing::ETCD_ELECTION),
    ] {
        let row = format!("| {} s | `{name}` |", value.as_secs());
        assert_eq!(value, Duration::from_secs(value.as_secs()));
        assert!(PAGE.contains(&row), "{row}");
    }
}
