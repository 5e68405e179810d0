//! The figures of `docs/protocol.md` are those of the code.

use std::time::Duration;

use govuc_roles::timing;

const PAGE: &str = include_str!("../../../docs/protocol.md");

#[test]
fn the_page_has_every_figure_of_the_code() {
    for (name, value) in [
        ("SYNC_CONNECT", timing::SYNC_CONNECT),
        ("SYNC_ANSWER", timing::SYNC_ANSWER),
        ("CATCH_UP_ANSWER", timing::CATCH_UP_ANSWER),
        ("PAIRING_FIRST", timing::PAIRING_FIRST),
        ("PAIRING_MOST", timing::PAIRING_MOST),
        ("TERMINATION", timing::TERMINATION),
    ] {
        let row = format!("| {} s | `timing::{name}` |", value.as_secs());
        assert_eq!(value, Duration::from_secs(value.as_secs()));
        assert!(PAGE.contains(&row), "{row}");
    }
}
