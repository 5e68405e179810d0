//! The password policy.

/// What passwords must meet. The default is circular 3/2017's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Characters.
    pub min_length: u32,
    /// How many earlier passwords can't be used again.
    pub history: u32,
    /// Wrong passwords in a row, within `lockout_seconds`, that lock the account for as long.
    pub attempts: u32,
    pub lockout_seconds: u32,
    /// An account nobody signed in to for this long is locked.
    pub idle_days: u32,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min_length: 12,
            history: 5,
            attempts: 5,
            lockout_seconds: 15 * 60,
            idle_days: 90,
        }
    }
}

impl PasswordPolicy {
    /// As attributes of `pwdPolicy`.
    pub(crate) fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![
            ("pwdAttribute", "userPassword".to_owned()),
            ("pwdMustChange", "TRUE".to_owned()),
            // 2: what can't be judged, because it is a hash already, is refused.
            ("pwdCheckQuality", "2".to_owned()),
            ("pwdMinLength", self.min_length.to_string()),
            ("pwdInHistory", self.history.to_string()),
            ("pwdLockout", "TRUE".to_owned()),
            ("pwdMaxFailure", self.attempts.to_string()),
            ("pwdLockoutDuration", self.lockout_seconds.to_string()),
            ("pwdFailureCountInterval", self.lockout_seconds.to_string()),
            ("pwdMaxIdle", (u64::from(self.idle_days) * 86_400).to_string()),
        ]
    }
}
