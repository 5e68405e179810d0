//! What people read when they can't come in: Malay, then English, in ASCII because IMAP and SMTP say it.

use govuc_directory::PasswordFault;
use serde::Serialize;

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
    fn new(ms: impl Into<String>, en: impl Into<String>) -> Self {
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

    pub fn refusal(&self, refusal: Refusal) -> Sentence {
        let page = &self.page;
        match refusal {
            Refusal::Wrong => Sentence::new("Alamat atau kata laluan salah", "Wrong address or password"),
            Refusal::MustChange => Sentence::new(
                format!("Tukar kata laluan pertama dahulu di {page}"),
                format!("First change the first password at {page}"),
            ),
            Refusal::Locked => Sentence::new(
                "Akaun dikunci; cuba lagi selepas 15 minit atau hubungi pentadbir",
                "Account locked; try again after 15 minutes or ask your administrator",
            ),
            Refusal::Unavailable => Sentence::new(
                "Perkhidmatan tidak tersedia; cuba sebentar lagi",
                "Service not available; try again in a moment",
            ),
        }
    }

    pub fn fault(&self, fault: PasswordFault) -> Sentence {
        match fault {
            PasswordFault::TooShort => Sentence::new(
                "Kata laluan baharu terlalu pendek; gunakan sekurang-kurangnya 12 aksara",
                "The new password is too short; use at least 12 characters",
            ),
            PasswordFault::InHistory => Sentence::new(
                "Kata laluan baharu pernah digunakan; pilih yang belum digunakan",
                "The new password was used before; choose one that was not",
            ),
            PasswordFault::TooYoung => Sentence::new(
                "Kata laluan baru sahaja ditukar; cuba lagi kemudian",
                "The password was changed a moment ago; try again later",
            ),
            PasswordFault::Quality => Sentence::new(
                "Kata laluan baharu tidak memenuhi polisi; pilih yang lain",
                "The new password does not meet the policy; choose another",
            ),
        }
    }

    pub fn too_long(&self) -> Sentence {
        Sentence::new(
            "Kata laluan baharu melebihi 256 aksara; pilih yang lebih pendek",
            "The new password is longer than 256 characters; choose a shorter one",
        )
    }

    pub fn no_text(&self) -> Sentence {
        Sentence::new(
            "Kata laluan baharu mesti teks UTF-8 tanpa aksara kawalan",
            "The new password must be UTF-8 text without control characters",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_fits_a_line_of_smtp_and_is_ascii() {
        let texts = Texts::of_domain("1govuc.gov.my");
        for refusal in [
            Refusal::Wrong,
            Refusal::MustChange,
            Refusal::Locked,
            Refusal::Unavailable,
        ] {
            let line = texts.refusal(refusal).line();
            assert!(line.is_ascii() && line.len() < 480, "{line}");
        }
    }

    #[test]
    fn who_must_change_a_password_is_told_where() {
        let line = Texts::of_domain("1govuc.gov.my")
            .refusal(Refusal::MustChange)
            .line();
        assert!(line.contains("https://mail.1govuc.gov.my/password"), "{line}");
    }
}
