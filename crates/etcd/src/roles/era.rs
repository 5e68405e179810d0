//! The era: begun once, raised by a person only.

use std::time::Duration;

use govuc_roles::record::EraRecord;

use super::{Key, Roles};
use crate::{Error, Revision};

impl Roles {
    /// Puts the era if it was last put at `expected`; [`Revision::ABSENT`] begins the first one.
    ///
    /// # Errors
    /// [`Error::Refused`]: it has been put since.
    pub async fn put_era(
        &self,
        record: &EraRecord,
        expected: Revision,
        limit: Duration,
    ) -> Result<Revision, Error> {
        self.swap(&Key::Era, record, expected, limit).await
    }
}
