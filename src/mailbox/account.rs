//! A Mailbox, parsed: the account it asks for.

use govuc_api::{Language, Mailbox, MailboxSpec};
use k8s_openapi::jiff::{Timestamp, civil::Date, tz::Offset};
use kube::ResourceExt;
use serde_json::json;
use uuid::Uuid;

use crate::{
    names::{self, AgencyName, Bytes, EmailAddress, Grade},
    part::pod::digest,
};

/// What a mailbox asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub agency: AgencyName,
    /// `<agency>/<name>`: by which the directory finds the account.
    pub key: String,
    pub person: String,
    pub staff_number: String,
    pub grade: Grade,
    pub language: Language,
    pub address: EmailAddress,
    pub aliases: Vec<EmailAddress>,
    pub quota: Bytes,
    /// The first day without the account.
    pub ends_on: Option<Date>,
    pub restore: Option<Uuid>,
    /// Of all that is carried out: the directory keeps it when it was.
    pub digest: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("metadata.namespace is {0}: a mailbox is in its agency's namespace, agency-NAME")]
    Namespace(String),
    #[error("{field}: {source}")]
    Field {
        field: &'static str,
        source: names::Error,
    },
    #[error("spec.individual is missing: a mailbox of type Individual has it")]
    NoPerson,
    #[error("spec.termination.on is {0:?}, which is no day: write for example 2026-12-31")]
    Day(String),
    #[error("spec.restore is {0:?}, which is no account id")]
    Restore(String),
}

impl Wanted {
    pub fn of(mailbox: &Mailbox) -> Result<Self, Error> {
        let spec = &mailbox.spec;
        let field = |field| move |source| Error::Field { field, source };
        let namespace = mailbox.namespace().unwrap_or_default();
        let agency = AgencyName::of_namespace(&namespace).ok_or(Error::Namespace(namespace))?;
        let person = spec.individual.as_ref().ok_or(Error::NoPerson)?;
        let grade = Grade::try_from(person.grade).map_err(field("spec.individual.grade"))?;
        let quota = match &spec.quota {
            Some(quota) => Bytes::try_from(&quota.size).map_err(field("spec.quota.size"))?,
            None => grade.minimum_quota(),
        };
        Ok(Self {
            key: format!("{agency}/{}", mailbox.name_any()),
            agency,
            person: person.name.clone(),
            staff_number: person.staff_number.clone(),
            grade,
            language: person.language,
            address: spec.address.parse().map_err(field("spec.address"))?,
            aliases: spec
                .aliases
                .iter()
                .map(|alias| alias.parse().map_err(field("spec.aliases[]")))
                .collect::<Result<_, _>>()?,
            quota,
            ends_on: spec.termination.as_ref().map(|end| day(&end.on)).transpose()?,
            restore: spec.restore.as_deref().map(account_id).transpose()?,
            digest: digest_of(spec),
        })
    }

    /// Every address it asks for.
    pub fn addresses(&self) -> impl Iterator<Item = &EmailAddress> {
        std::iter::once(&self.address).chain(&self.aliases)
    }

    /// Whether the account has ended, by Malaysian time.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        let today = Offset::constant(8).to_datetime(now).date();
        self.ends_on.is_some_and(|day| day <= today)
    }
}

fn day(text: &str) -> Result<Date, Error> {
    text.parse().map_err(|_| Error::Day(text.to_owned()))
}

fn account_id(text: &str) -> Result<Uuid, Error> {
    Uuid::parse_str(text).map_err(|_| Error::Restore(text.to_owned()))
}

/// What ends an account or takes it up again is not among it: those are states, and the directory has them as such. What is
/// absent leaves no trace, so that a field that comes with a new operator is no reason to carry out every mailbox again.
fn digest_of(spec: &MailboxSpec) -> String {
    let MailboxSpec {
        kind,
        address,
        aliases,
        individual,
        quota,
        termination: _,
        restore: _,
    } = spec;
    let mut carried_out = json!({
        "type": kind,
        "address": address,
        "aliases": aliases,
        "individual": individual,
        "quota": quota,
    });
    if let Some(fields) = carried_out.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    digest([carried_out.to_string().as_str()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn mailbox(more: &str) -> Mailbox {
        let text = format!(
            "apiVersion: 1govuc.gov.my/v1alpha1\nkind: Mailbox\nmetadata: {{name: ali, namespace: agency-kkr}}\nspec:\n  \
             type: Individual\n  address: ali@kkr.gov.my\n  individual: {{staffNumber: KKR-1, name: Ali, grade: 41}}\n{more}"
        );
        serde_yaml::from_str(&text).unwrap()
    }

    #[rstest]
    #[case::the_evening_before("2026-12-30T15:59:59Z", false)]
    #[case::midnight_in_malaysia("2026-12-30T16:00:00Z", true)]
    fn an_account_ends_with_the_day_in_malaysia(#[case] now: &str, #[case] ended: bool) {
        let wanted = Wanted::of(&mailbox("  termination: {reason: Retirement, on: '2026-12-31'}")).unwrap();
        assert_eq!(wanted.has_ended(now.parse().unwrap()), ended);
    }

    #[test]
    fn without_a_quota_the_grade_decides() {
        assert_eq!(Wanted::of(&mailbox("")).unwrap().quota.count(), 1 << 30);
        let wanted = Wanted::of(&mailbox("  quota: {size: 3Gi}")).unwrap();
        assert_eq!(wanted.quota.count(), 3 << 30);
    }

    #[test]
    fn ending_an_account_changes_nothing_else_of_it() {
        let ending = mailbox("  termination: {reason: Retirement, on: '2026-12-31'}");
        let digest = |mailbox: &Mailbox| Wanted::of(mailbox).unwrap().digest;
        assert_eq!(digest(&ending), digest(&mailbox("")));
        assert_ne!(digest(&mailbox("  quota: {size: 3Gi}")), digest(&mailbox("")));
    }

    #[test]
    fn what_is_absent_is_not_in_the_digest() {
        let plain = digest([
            r#"{"address":"ali@kkr.gov.my","aliases":[],"individual":{"grade":41,"language":"ms","name":"Ali","staffNumber":"KKR-1"},"type":"Individual"}"#,
        ]);
        assert_eq!(Wanted::of(&mailbox("")).unwrap().digest, plain);
    }

    #[test]
    fn a_mailbox_outside_an_agency_means_nothing() {
        let mut stray = mailbox("");
        stray.metadata.namespace = Some("default".into());
        assert_eq!(Wanted::of(&stray), Err(Error::Namespace("default".into())));
    }
}
