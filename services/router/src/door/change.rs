//! A change of password, whichever way it was asked for.

use axum::http::StatusCode;
use govuc_directory::{PasswordChange, PasswordFault};

use super::Door;
use crate::{
    secret::Secret,
    sign_in::{Refusal, unavailable},
};

/// Characters of a new password, at most.
pub const LIMIT: usize = 256;

/// Why a password is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Refused(Refusal),
    /// Something that the form asks for is missing.
    Incomplete,
    /// The new one was not typed twice the same.
    Different,
    TooLong,
    /// Not UTF-8, or with control characters.
    NoText,
    /// What the directory's policy says of the new one.
    Policy(PasswordFault),
}

impl Fault {
    /// For metrics and for programs.
    pub fn label(self) -> &'static str {
        match self {
            Fault::Refused(refusal) => refusal.label(),
            Fault::Incomplete => "incomplete",
            Fault::Different => "different",
            Fault::TooLong => "too_long",
            Fault::NoText => "no_text",
            Fault::Policy(_) => "policy",
        }
    }

    pub fn status(self) -> StatusCode {
        match self {
            Fault::Refused(Refusal::Wrong | Refusal::MustChange) => StatusCode::UNAUTHORIZED,
            Fault::Refused(Refusal::Locked) => StatusCode::LOCKED,
            Fault::Refused(Refusal::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Incomplete | Fault::Different | Fault::TooLong | Fault::NoText | Fault::Policy(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        }
    }
}

impl Door {
    /// Changes a password as its holder. A wrong old one counts towards the account's lock.
    pub(super) async fn change(&self, address: &str, old: &Secret, new: &Secret) -> Result<(), Fault> {
        check(new)?;
        let record = self.sign_in.account(address).await.map_err(Fault::Refused)?;
        let id = record.account.id;
        let change = self
            .providers
            .ask(|directory| async move { directory.change_password(id, old.reveal(), new.reveal()).await })
            .await
            .map_err(|error| Fault::Refused(unavailable(error)))?;
        match change {
            PasswordChange::Changed => {
                tracing::info!(account = %id, "a password was changed");
                Ok(())
            }
            PasswordChange::Wrong => Err(Fault::Refused(Refusal::Wrong)),
            PasswordChange::Locked => Err(Fault::Refused(Refusal::Locked)),
            PasswordChange::Refused(fault) => Err(Fault::Policy(fault)),
        }
    }

    /// Counts how a change that was asked for ended.
    pub(super) fn counted(&self, outcome: Result<(), Fault>) -> Result<(), Fault> {
        self.metrics
            .changed_password(outcome.err().map_or("changed", Fault::label));
        outcome
    }
}

/// What can be said of a new password without the directory.
fn check(new: &Secret) -> Result<(), Fault> {
    if new.reveal().chars().count() > LIMIT {
        return Err(Fault::TooLong);
    }
    if new.reveal().chars().any(char::is_control) {
        return Err(Fault::NoText);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("kata laluan baharu".into(), Ok(()))]
    #[case("é".repeat(256), Ok(()))]
    #[case("é".repeat(257), Err(Fault::TooLong))]
    #[case("baris\nbaharu".into(), Err(Fault::NoText))]
    fn a_new_password_is_text_of_256_characters_at_most(
        #[case] text: String,
        #[case] want: Result<(), Fault>,
    ) {
        assert_eq!(check(&Secret::new(text)), want);
    }
}
