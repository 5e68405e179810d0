//! What the names of sites and stores are made of.

/// Whether `name` is a DNS label of at most `longest` characters that may begin a Service's name: `a-z`, `0-9` and `-`, a
/// letter first, no `-` last (RFC 1035 §2.3.1).
pub fn is_label(name: &str, longest: usize) -> bool {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=longest).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_begins_with_a_letter_and_ends_with_no_hyphen() {
        for name in [
            "", "Pdsa1", "1pdsa", "pdsa-", "-pdsa", "pdsa.1", "pdsa_1", "pdsé1",
        ] {
            assert!(!is_label(name, 63), "{name}");
        }
        for name in ["p", "pdsa1", "pdsa--1"] {
            assert!(is_label(name, 63), "{name}");
        }
    }

    #[test]
    fn a_label_is_as_long_as_it_may_be_and_no_longer() {
        assert!(is_label("pdsa1", 5));
        assert!(!is_label("pdsa1", 4));
    }
}
