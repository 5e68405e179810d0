//! Passwords: checked and changed as their holder, on a connection of its own.

use std::fmt;

use ldap3::{
    LdapResult,
    asn1::{PL, parse_tag},
    controls::RawControl,
    exop::PasswordModify,
};
use uuid::Uuid;

use crate::{
    DEADLINE, Directory, Error,
    connection::{transport, unexpected},
};

/// What a password is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordCheck {
    Good,
    /// It is right, and must be changed before it opens anything.
    MustChange,
    /// Too many wrong ones, or too long idle. Whether this one is right is not said.
    Locked,
    Wrong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordChange {
    Changed,
    /// The old one is wrong.
    Wrong,
    Locked,
    Refused(PasswordFault),
}

/// What is wrong with a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordFault {
    TooShort,
    /// Used before.
    InHistory,
    /// Changed a moment ago.
    TooYoung,
    /// Anything else the policy does not allow.
    Quality,
}

/// draft-behera-ldap-password-policy: without it "locked" and "wrong" look the same.
const POLICY_CONTROL: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
const INVALID_CREDENTIALS: u32 = 49;

// `error` of the control's value.
const LOCKED: u8 = 1;
const CHANGE_AFTER_RESET: u8 = 2;
const TOO_SHORT: u8 = 6;
const TOO_YOUNG: u8 = 7;
const IN_HISTORY: u8 = 8;

impl fmt::Display for PasswordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PasswordFault::TooShort => "it is too short",
            PasswordFault::InHistory => "it was used before",
            PasswordFault::TooYoung => "the present one was set a moment ago",
            PasswordFault::Quality => "it does not meet the policy",
        })
    }
}

impl Directory {
    /// Asks whether this is the account's password. A wrong one counts towards the lock.
    pub async fn check_password(&self, id: Uuid, password: &str) -> Result<PasswordCheck, Error> {
        // RFC 4513 §5.1.2: a bind without a password succeeds and proves nothing.
        if password.is_empty() {
            return Ok(PasswordCheck::Wrong);
        }
        let mut ldap = self.connect().await?;
        let answer = ldap
            .with_timeout(DEADLINE)
            .with_controls(request())
            .simple_bind(&self.suffix().account(id), password)
            .await
            .map_err(transport)?;
        let check = judged(&answer);
        let _ = ldap.unbind().await; // The answer is there; the provider closes the connection in any case.
        check
    }

    /// Changes a password as its holder (RFC 3062), which is all an account may do whose password must be changed.
    pub async fn change_password(&self, id: Uuid, old: &str, new: &str) -> Result<PasswordChange, Error> {
        // Without a new one the provider would make one up.
        if new.is_empty() {
            return Ok(PasswordChange::Refused(PasswordFault::TooShort));
        }
        if old.is_empty() {
            return Ok(PasswordChange::Wrong);
        }
        let mut ldap = self.connect().await?;
        let answer = ldap
            .with_timeout(DEADLINE)
            .with_controls(request())
            .simple_bind(&self.suffix().account(id), old)
            .await
            .map_err(transport)?;
        match judged(&answer)? {
            PasswordCheck::Good | PasswordCheck::MustChange => {}
            PasswordCheck::Wrong => return Ok(PasswordChange::Wrong),
            PasswordCheck::Locked => return Ok(PasswordChange::Locked),
        }
        let answer = ldap
            .with_timeout(DEADLINE)
            .with_controls(request())
            .extended(PasswordModify {
                user_id: None,
                old_pass: Some(old),
                new_pass: Some(new),
            })
            .await
            .map_err(transport)?
            .1;
        let _ = ldap.unbind().await; // As above.
        match (answer.rc, fault(&answer)) {
            (0, _) => Ok(PasswordChange::Changed),
            (_, Some(fault)) => Ok(PasswordChange::Refused(fault)),
            _ => Err(unexpected(&answer)),
        }
    }
}

/// Asks the provider to say what its policy found.
pub(crate) fn request() -> RawControl {
    RawControl {
        ctype: POLICY_CONTROL.to_owned(),
        crit: false,
        val: None,
    }
}

fn judged(answer: &LdapResult) -> Result<PasswordCheck, Error> {
    match (answer.rc, policy_error(answer)) {
        (0, Some(CHANGE_AFTER_RESET)) => Ok(PasswordCheck::MustChange),
        (0, _) => Ok(PasswordCheck::Good),
        (INVALID_CREDENTIALS, Some(LOCKED)) => Ok(PasswordCheck::Locked),
        (INVALID_CREDENTIALS, _) => Ok(PasswordCheck::Wrong),
        _ => Err(unexpected(answer)),
    }
}

/// Why the policy refused a new password, if that is what the answer says.
pub(crate) fn fault(answer: &LdapResult) -> Option<PasswordFault> {
    const CONSTRAINT_VIOLATION: u32 = 19;
    match (answer.rc, policy_error(answer)) {
        (0, _) => None,
        (_, Some(TOO_SHORT)) => Some(PasswordFault::TooShort),
        (_, Some(IN_HISTORY)) => Some(PasswordFault::InHistory),
        (_, Some(TOO_YOUNG)) => Some(PasswordFault::TooYoung),
        (CONSTRAINT_VIOLATION, Some(_)) => Some(PasswordFault::Quality),
        _ => None,
    }
}

fn policy_error(answer: &LdapResult) -> Option<u8> {
    let control = answer
        .ctrls
        .iter()
        .find(|control| control.1.ctype == POLICY_CONTROL)?;
    error_of(control.1.val.as_deref()?)
}

/// `SEQUENCE { warning [0] …, error [1] ENUMERATED OPTIONAL }`
fn error_of(value: &[u8]) -> Option<u8> {
    let (_, sequence) = parse_tag(value).ok()?;
    let PL::C(fields) = sequence.payload else {
        return None;
    };
    fields
        .into_iter()
        .find_map(|field| match (field.id, field.payload) {
            (1, PL::P(bytes)) => bytes.first().copied(),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldap3::controls::Control;
    use rstest::rstest;

    fn answer(rc: u32, control: Option<&[u8]>) -> LdapResult {
        let ctrls = control.map(|value| {
            let raw = RawControl {
                ctype: POLICY_CONTROL.into(),
                crit: false,
                val: Some(value.to_vec()),
            };
            Control(None, raw)
        });
        LdapResult {
            rc,
            matched: String::new(),
            text: String::new(),
            refs: Vec::new(),
            ctrls: ctrls.into_iter().collect(),
        }
    }

    const NOTHING: &[u8] = &[0x30, 0];
    const IS_LOCKED: &[u8] = &[0x30, 3, 0x81, 1, 1];
    const IS_RESET: &[u8] = &[0x30, 3, 0x81, 1, 2];
    const EXPIRES_SOON: &[u8] = &[0x30, 5, 0xa0, 3, 0x80, 1, 1];

    #[rstest]
    #[case(0, None, PasswordCheck::Good)]
    #[case(0, Some(NOTHING), PasswordCheck::Good)]
    #[case(0, Some(EXPIRES_SOON), PasswordCheck::Good)]
    #[case(0, Some(IS_RESET), PasswordCheck::MustChange)]
    #[case(49, None, PasswordCheck::Wrong)]
    #[case(49, Some(NOTHING), PasswordCheck::Wrong)]
    #[case(49, Some(IS_LOCKED), PasswordCheck::Locked)]
    #[case(49, Some(b"rubbish".as_slice()), PasswordCheck::Wrong)]
    fn the_answer_to_a_bind_says_what_the_password_is_good_for(
        #[case] rc: u32,
        #[case] control: Option<&[u8]>,
        #[case] want: PasswordCheck,
    ) {
        assert_eq!(judged(&answer(rc, control)).unwrap(), want);
    }

    #[test]
    fn an_answer_that_says_nothing_about_the_password_is_an_error() {
        assert!(matches!(
            judged(&answer(52, None)),
            Err(Error::Answer { code: 52, .. })
        ));
    }

    #[rstest]
    #[case(5, PasswordFault::Quality)]
    #[case(6, PasswordFault::TooShort)]
    #[case(7, PasswordFault::TooYoung)]
    #[case(8, PasswordFault::InHistory)]
    fn a_refused_password_has_a_reason(#[case] code: u8, #[case] want: PasswordFault) {
        assert_eq!(fault(&answer(19, Some(&[0x30, 3, 0x81, 1, code]))), Some(want));
    }
}
