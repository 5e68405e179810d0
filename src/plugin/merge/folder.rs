//! Names of folders as people see them, from those that Cyrus has inside: pure.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

const UTF_7: GeneralPurpose = GeneralPurpose::new(
    &alphabet::IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// `Projek/Bil. 3` of `user.3f.Projek.Bil^ 3`; `INBOX` of `user.3f`. A folder that is no account's keeps its whole path.
pub fn shown(name: &str, account: Option<&str>) -> String {
    let path = match account {
        Some(account) => match name.strip_prefix(&format!("user.{account}")) {
            Some("") => return "INBOX".to_owned(),
            Some(rest) => rest.strip_prefix('.').unwrap_or(name),
            None => name,
        },
        None => name,
    };
    let parts: Vec<String> = path
        .split('.')
        .map(|part| {
            let part = part.replace('^', ".");
            decoded(&part).unwrap_or(part)
        })
        .collect();
    parts.join("/")
}

/// From modified UTF-7 (RFC 3501, 5.1.3). None of what is not written in it.
fn decoded(text: &str) -> Option<String> {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some((before, shifted)) = rest.split_once('&') {
        let (coded, after) = shifted.split_once('-')?;
        shown.push_str(before);
        if coded.is_empty() {
            shown.push('&');
        } else {
            let bytes = UTF_7.decode(coded).ok()?;
            let (units, odd) = bytes.as_chunks::<2>();
            if !odd.is_empty() {
                return None;
            }
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            shown.push_str(&String::from_utf16(&units).ok()?);
        }
        rest = after;
    }
    shown.push_str(rest);
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::the_inbox("user.3f", Some("3f"), "INBOX")]
    #[case::within("user.3f.Projek.2026", Some("3f"), "Projek/2026")]
    #[case::a_dot("user.3f.Bil^ 3", Some("3f"), "Bil. 3")]
    #[case::an_ampersand("user.3f.R&-D", Some("3f"), "R&D")]
    #[case::other_letters("user.3f.Pr&AOk-cis", Some("3f"), "Précis")]
    #[case::chinese("user.3f.&ThZ1TA-.&ZeVnLIqe-", Some("3f"), "世界/日本語")]
    #[case::beyond_the_first_plane("user.3f.&2D3eAA-", Some("3f"), "😀")]
    #[case::nobodys("team.a^b", None, "team/a.b")]
    #[case::another_accounts("user.3f0.Sent", Some("3f"), "user/3f0/Sent")]
    fn a_folder_is_shown_as_its_people_named_it(
        #[case] name: &str,
        #[case] account: Option<&str>,
        #[case] is: &str,
    ) {
        assert_eq!(shown(name, account), is);
    }

    #[rstest]
    #[case::never_ended("user.3f.A&AOk")]
    #[case::no_base64("user.3f.A&A?-")]
    #[case::half_a_letter("user.3f.A&AA-")]
    #[case::half_a_pair("user.3f.A&2D0-")]
    fn what_is_no_utf_7_stays_as_it_is(#[case] name: &str) {
        assert_eq!(shown(name, Some("3f")), name.strip_prefix("user.3f.").unwrap());
    }
}
