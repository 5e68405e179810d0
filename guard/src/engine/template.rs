//! The engine's configuration: a template, a role and values make a file.

use govuc_roles::Role;

/// The image's templates. `{{word}}` stands for a value, `{{#role}}` to `{{/role}}` is kept for that role alone.
pub const IMAPD_CONF: &str = include_str!("../../../images/cyrus/imapd.conf.in");
pub const CYRUS_CONF: &str = include_str!("../../../images/cyrus/cyrus.conf.in");

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("the template names {{{{{0}}}}}, which has no value")]
    Unknown(String),
    #[error("the template opens or closes a section out of turn: {0}")]
    Section(String),
    #[error("the value of {0} has a line break in it")]
    LineBreak(String),
}

/// Renders one file.
pub fn render(template: &str, role: Role, values: &[(&str, &str)]) -> Result<String, Error> {
    let mut text = String::with_capacity(template.len());
    let mut section = None;
    for line in template.lines() {
        if let Some(mark) = mark(line) {
            section = match (section, mark) {
                (None, (true, of)) => Some(of),
                (Some(open), (false, of)) if open == of => None,
                _ => return Err(Error::Section(line.to_owned())),
            };
        } else if section.is_none_or(|of| of == role) {
            render_line(line, values, &mut text)?;
        }
    }
    match section {
        None => Ok(text),
        Some(_) => Err(Error::Section("the end of the file".to_owned())),
    }
}

/// Whether a line opens (true) or closes a section, and whose.
fn mark(line: &str) -> Option<(bool, Role)> {
    match line.trim() {
        "{{#primary}}" => Some((true, Role::Primary)),
        "{{/primary}}" => Some((false, Role::Primary)),
        "{{#follower}}" => Some((true, Role::Follower)),
        "{{/follower}}" => Some((false, Role::Follower)),
        _ => None,
    }
}

fn render_line(line: &str, values: &[(&str, &str)], text: &mut String) -> Result<(), Error> {
    // A comment explains the braces with braces.
    let mut rest = if line.trim_start().starts_with('#') {
        ""
    } else {
        line
    };
    while let Some((before, (word, after))) = rest
        .split_once("{{")
        .and_then(|(before, tail)| Some((before, tail.split_once("}}")?)))
    {
        let (_, value) = values
            .iter()
            .find(|(name, _)| *name == word)
            .ok_or_else(|| Error::Unknown(word.to_owned()))?;
        // A value with a line break would be a setting of its own.
        if value.contains(['\n', '\r']) {
            return Err(Error::LineBreak(word.to_owned()));
        }
        text.push_str(before);
        text.push_str(value);
        rest = after;
    }
    text.push_str(rest);
    text.push('\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: &[(&str, &str)] = &[
        ("store", "mail-1"),
        ("data", "/var/lib/govuc/cyrus"),
        ("run", "/run/cyrus"),
        ("sync_port", "40001"),
        ("fill_port", "40002"),
        ("sync_password", "v1.0.secret"),
    ];

    #[test]
    fn only_a_primary_syncs() {
        let primary = render(IMAPD_CONF, Role::Primary, VALUES).unwrap();
        assert!(primary.contains("\nsync_rightnow_channel: peer\n"), "{primary}");
        assert!(primary.contains("\npeer_sync_port: 40001\n"), "{primary}");
        assert!(
            primary.contains("\npeer_sync_password: v1.0.secret\n"),
            "{primary}"
        );
        let follower = render(IMAPD_CONF, Role::Follower, VALUES).unwrap();
        assert!(!follower.contains("peer_sync"), "{follower}");
        assert!(!follower.contains("sync_rightnow_channel"), "{follower}");
    }

    #[test]
    fn only_a_primary_takes_deliveries() {
        assert!(
            render(CYRUS_CONF, Role::Primary, VALUES)
                .unwrap()
                .contains("lmtpd")
        );
        assert!(
            !render(CYRUS_CONF, Role::Follower, VALUES)
                .unwrap()
                .contains("lmtpd")
        );
    }

    #[test]
    fn a_copy_in_quarantine_takes_nothing_and_forgets_nothing() {
        let cyrus = render(CYRUS_CONF, Role::Quarantined, VALUES).unwrap();
        assert!(cyrus.contains("imapd"), "{cyrus}");
        for program in ["lmtpd", "sync_client", "cyr_expire"] {
            assert!(!cyrus.contains(program), "{program}: {cyrus}");
        }
        let imapd = render(IMAPD_CONF, Role::Quarantined, VALUES).unwrap();
        assert!(!imapd.contains("peer_sync"), "{imapd}");
    }

    #[test]
    fn no_brace_is_left() {
        for template in [IMAPD_CONF, CYRUS_CONF] {
            for role in [Role::Primary, Role::Follower, Role::Quarantined] {
                let text = render(template, role, VALUES).unwrap();
                assert!(!text.contains("{{"), "{text}");
            }
        }
    }

    #[test]
    fn an_unknown_word_is_refused() {
        assert_eq!(
            render("a: {{b}}", Role::Primary, VALUES),
            Err(Error::Unknown("b".into()))
        );
    }

    #[test]
    fn a_value_can_not_smuggle_in_a_setting() {
        let values = [("store", "x\nadmins: eve")];
        assert_eq!(
            render("servername: {{store}}", Role::Primary, &values),
            Err(Error::LineBreak("store".into()))
        );
    }

    #[test]
    fn sections_are_opened_and_closed_in_turn() {
        for template in [
            "{{#primary}}",
            "{{/primary}}",
            "{{#primary}}\n{{/follower}}",
            "{{#primary}}\n{{#follower}}",
        ] {
            assert!(
                matches!(render(template, Role::Primary, &[]), Err(Error::Section(_))),
                "{template}"
            );
        }
    }
}
