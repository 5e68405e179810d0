//! What a mailbox has in its cluster: the Secret with the first password, until it was used.

use std::collections::BTreeMap;

use govuc_api::Mailbox;
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Resource, ResourceExt};
use ring::rand::{SecureRandom, SystemRandom};

use crate::part::common_labels;

/// Without characters that are taken for another on paper.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// 100 bits.
const LENGTH: usize = 20;

#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandom;

/// A first password, at least as long as the policy wants. In groups, because it is typed from paper.
pub fn password(min_length: i32) -> Result<String, NoRandom> {
    let length = LENGTH.max(usize::try_from(min_length).unwrap_or(0));
    let mut bytes = vec![0; length];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandom)?;
    let mut text = String::with_capacity(length + length / 5);
    for (i, byte) in bytes.into_iter().enumerate() {
        if i > 0 && i % 5 == 0 {
            text.push('-');
        }
        // 32 divides 256, so that no character is likelier than another.
        text.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
    }
    Ok(text)
}

pub fn secret_name(mailbox: &str) -> String {
    format!("{mailbox}-first-password")
}

/// Goes with its mailbox.
pub fn secret(mailbox: &Mailbox, password: &str) -> Secret {
    let text = |text: &str| ByteString(text.as_bytes().to_vec());
    Secret {
        metadata: ObjectMeta {
            name: Some(secret_name(&mailbox.name_any())),
            namespace: mailbox.namespace(),
            labels: Some(common_labels()),
            owner_references: mailbox.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..Default::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some(BTreeMap::from([
            ("address".to_owned(), text(&mailbox.spec.address)),
            ("password".to_owned(), text(password)),
        ])),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_password_is_long_enough_and_like_no_other() {
        let (one, two) = (password(12).unwrap(), password(12).unwrap());
        assert_eq!(one.len(), 23);
        assert_ne!(one, two);
        assert!(password(64).unwrap().len() >= 64);
    }
}
