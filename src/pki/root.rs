//! Keys derived from the root secret, which is the same in both clusters: so are they.

use ring::hkdf;

use super::Error;

/// The 32 bytes of `govuc-system/govuc-root`.
pub struct Root([u8; 32]);

impl Root {
    pub fn new(bytes: &[u8]) -> Result<Self, Error> {
        Ok(Self(
            bytes.try_into().map_err(|_| Error::RootLength(bytes.len()))?,
        ))
    }

    /// HKDF-SHA256 without salt. `info` says what the bytes are for, and the number in it is raised to replace them while
    /// the root stays.
    pub(super) fn derive(&self, info: &str) -> [u8; 32] {
        let mut key = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
            .extract(&self.0)
            .expand(&[info.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key))
            // HKDF fails only above 255 × 32 bytes, and where the buffer is not as long as was asked for: 32.
            .expect("32 bytes are within HKDF's limits");
        key
    }
}

/// The key of session tokens (`govuc_wire::token`).
pub fn session_key(root: &Root) -> [u8; 32] {
    root.derive("session 1")
}

/// What an etcd for roles is founded with, and its ids are made from, beside the names of its members: a volume of an earlier
/// installation of the same sites is told from this one's by it. It is no secret.
pub fn roles_token(root: &Root) -> String {
    let bytes = root.derive("roles-token 1");
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etcd_is_founded_alike_in_both_clusters_and_otherwise_for_another_root() {
        let token = |byte| roles_token(&Root::new(&[byte; 32]).unwrap());
        assert_eq!((token(1), token(1).len()), (token(1), 16));
        assert_ne!(token(1), token(2));
    }

    #[test]
    fn the_same_root_gives_the_same_key_and_another_root_another() {
        let key = |byte| session_key(&Root::new(&[byte; 32]).unwrap());
        assert_eq!(key(1), key(1));
        assert_ne!(key(1), key(2));
    }

    #[test]
    fn keys_for_two_things_are_two() {
        let root = Root::new(&[7; 32]).unwrap();
        assert_ne!(root.derive("session 1"), root.derive("roles-ca 1"));
    }

    #[test]
    fn the_key_is_not_the_root() {
        assert_ne!(session_key(&Root::new(&[7; 32]).unwrap()), [7; 32]);
    }

    #[test]
    fn a_root_of_another_length_is_refused() {
        assert!(matches!(Root::new(&[7; 16]), Err(Error::RootLength(16))));
    }
}
