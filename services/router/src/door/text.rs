//! What people read when they can't come in, or can't have the password they want: Malay, then English, in ASCII because
//! IMAP and SMTP say it.

use govuc_directory::PasswordFault;
use govuc_wire::password::Rules;
use serde::Serialize;

use super::change::{Fault, LIMIT};
use crate::sign_in::Refusal;

/// A sentence in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sentence {
    pub ms: String,
    pub en: String,
}

/// The sentences, with the service's own address in them.
#[derive(Clone, Debug)]
pub struct Texts {
    page: String,
}

impl Sentence {
    pub fn new(ms: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            ms: ms.into(),
            en: en.into(),
        }
    }

    /// Both languages on one line.
    pub fn line(&self) -> String {
        format!("{} / {}", self.ms, self.en)
    }
}

impl Texts {
    /// Passwords are changed at `https://mail.<domain>/password`.
    pub fn of_domain(domain: &str) -> Self {
        Self {
            page: format!("https://mail.{domain}/password"),
        }
    }

    /// Why somebody may not come in.
    pub fn refusal(&self, refusal: Refusal, rules: Rules) -> Sentence {
        let page = &self.page;
        match refusal {
            Refusal::Wrong => Sentence::new("Alamat atau kata laluan salah", "Wrong address or password"),
            Refusal::MustChange => Sentence::new(
                format!("Tukar kata laluan pertama dahulu di {page}"),
                format!("First change the first password at {page}"),
            ),
            Refusal::Locked => {
                let Sentence { ms, en } = span(rules.lockout_seconds);
                Sentence::new(
                    format!("Akaun dikunci; cuba lagi selepas {ms} atau hubungi pentadbir"),
                    format!("Account locked; try again after {en} or ask your administrator"),
                )
            }
            Refusal::Unavailable => Sentence::new(
                "Perkhidmatan tidak tersedia; cuba sebentar lagi",
                "Service not available; try again in a moment",
            ),
        }
    }

    /// Why a password was not changed.
    pub fn fault(&self, fault: Fault, rules: Rules) -> Sentence {
        match fault {
            Fault::Refused(refusal) => self.refusal(refusal, rules),
            Fault::Incomplete => Sentence::new("Isi semua medan", "Fill in every field"),
            Fault::Different => Sentence::new(
                "Kedua-dua kata laluan baharu tidak sama",
                "The two new passwords are not the same",
            ),
            Fault::TooLong => Sentence::new(
                format!("Kata laluan baharu melebihi {LIMIT} aksara; pilih yang lebih pendek"),
                format!("The new password is longer than {LIMIT} characters; choose a shorter one"),
            ),
            Fault::NoText => Sentence::new(
                "Kata laluan baharu mesti teks UTF-8 tanpa aksara kawalan",
                "The new password must be UTF-8 text without control characters",
            ),
            Fault::Policy(PasswordFault::TooShort) => {
                let least = rules.min_length;
                Sentence::new(
                    format!("Kata laluan baharu terlalu pendek; gunakan sekurang-kurangnya {least} aksara"),
                    format!("The new password is too short; use at least {least} characters"),
                )
            }
            Fault::Policy(PasswordFault::InHistory) => Sentence::new(
                "Kata laluan baharu pernah digunakan; pilih yang belum digunakan",
                "The new password was used before; choose one that was not",
            ),
            Fault::Policy(PasswordFault::TooYoung) => Sentence::new(
                "Kata laluan baru sahaja ditukar; cuba lagi kemudian",
                "The password was changed a moment ago; try again later",
            ),
            Fault::Policy(PasswordFault::Quality) => Sentence::new(
                "Kata laluan baharu tidak memenuhi polisi; pilih yang lain",
                "The new password does not meet the policy; choose another",
            ),
        }
    }
}

/// A span of time in the largest unit that says it exactly.
fn span(seconds: u32) -> Sentence {
    let units = [
        (86_400, "hari", "day"),
        (3_600, "jam", "hour"),
        (60, "minit", "minute"),
    ];
    let (count, ms, en) = units
        .into_iter()
        .find(|(unit, ..)| seconds > 0 && seconds.is_multiple_of(*unit))
        .map_or((seconds, "saat", "second"), |(unit, ms, en)| {
            (seconds / unit, ms, en)
        });
    let plural = if count == 1 { "" } else { "s" };
    Sentence::new(format!("{count} {ms}"), format!("{count} {en}{plural}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const RULES: Rules = Rules {
        min_length: 14,
        lockout_seconds: 1800,
    };

    fn texts() -> Texts {
        Texts::of_domain("1govuc.gov.my")
    }

    #[test]
    fn every_refusal_fits_a_line_of_smtp_and_is_ascii() {
        for refusal in [
            Refusal::Wrong,
            Refusal::MustChange,
            Refusal::Locked,
            Refusal::Unavailable,
        ] {
            let line = texts().refusal(refusal, RULES).line();
            assert!(line.is_ascii() && line.len() < 480, "{line}");
        }
    }

    #[test]
    fn who_must_change_a_password_is_told_where() {
        let line = texts().refusal(Refusal::MustChange, RULES).line();
        assert!(line.contains("https://mail.1govuc.gov.my/password"), "{line}");
    }

    #[test]
    fn the_rules_are_told_as_they_are() {
        let locked = texts().refusal(Refusal::Locked, RULES).line();
        assert!(
            locked.contains("30 minit") && locked.contains("30 minutes"),
            "{locked}"
        );
        let short = texts()
            .fault(Fault::Policy(PasswordFault::TooShort), RULES)
            .line();
        assert!(
            short.contains("14 aksara") && short.contains("14 characters"),
            "{short}"
        );
    }

    #[rstest]
    #[case(900, "15 minit / 15 minutes")]
    #[case(60, "1 minit / 1 minute")]
    #[case(3_600, "1 jam / 1 hour")]
    #[case(5_400, "90 minit / 90 minutes")]
    #[case(86_400, "1 hari / 1 day")]
    #[case(90, "90 saat / 90 seconds")]
    #[case(0, "0 saat / 0 seconds")]
    fn a_span_is_said_in_its_largest_unit(#[case] seconds: u32, #[case] said: &str) {
        assert_eq!(span(seconds).line(), said);
    }
}
