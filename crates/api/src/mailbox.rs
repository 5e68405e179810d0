//! Mailbox: a person's mail.

use k8s_openapi::apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::Condition};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Annotation of a Mailbox by which a person has the lead mint another first password: its value is the site that has the
/// present one and is lost. It means nothing once the password is another site's, or was chosen.
pub const NEW_FIRST_PASSWORD: &str = "1govuc.gov.my/new-first-password";

/// A mailbox in an agency's namespace. Deleting it keeps the mail until its retention ends.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "1govuc.gov.my",
    version = "v1alpha1",
    kind = "Mailbox",
    plural = "mailboxes",
    namespaced,
    status = "MailboxStatus",
    derive = "PartialEq",
    shortname = "mbx",
    category = "govuc",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Address", type_ = "string", json_path = ".spec.address"),
    printcolumn(name = "Store", type_ = "string", json_path = ".status.granted.store"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Name", type_ = "string", json_path = ".spec.individual.name", priority = 1),
    printcolumn(name = "Grade", type_ = "integer", json_path = ".spec.individual.grade", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    validation = Rule::new("self.metadata.name.size() <= 100")
        .message("metadata.name has more than 100 characters: shorten it"),
)]
#[x_kube(
    validation = Rule::new("has(self.individual) == (self.type == 'Individual')")
        .message(Message::Expression("'type is ' + self.type + ', so exactly the section of that name must be given: add individual, or change type'".into())),
    validation = Rule::new("!(self.address in self.aliases)")
        .message(Message::Expression("'aliases has ' + self.address + ', which is the address already: take it out of aliases'".into()))
        .field_path(".aliases"),
    // Circular 3/2017, paragraph 10(iii). The same table is `Grade::minimum_quota` of the operator.
    validation = Rule::new("!has(self.quota) || has(self.quota.reason) || !has(self.individual) || !isQuantity(string(self.quota.size)) || \
        quantity(string(self.quota.size)).compareTo(quantity(\
            self.individual.grade >= 54 ? '4Gi' : self.individual.grade >= 48 ? '2Gi' : self.individual.grade >= 41 ? '1Gi' : '500Mi')) >= 0")
        .message(Message::Expression("'quota.size is ' + string(self.quota.size) + ', but the grade has at least ' + (self.individual.grade >= 54 ? '4Gi' : self.individual.grade >= 48 ? '2Gi' : self.individual.grade >= 41 ? '1Gi' : '500Mi') + ' (circular 3/2017, paragraph 10): raise it, leave quota out, or give quota.reason'".into()))
        .field_path(".quota"),
    validation = Rule::new("!has(oldSelf.type) || self.type == oldSelf.type")
        .message(Message::Expression("'type is ' + oldSelf.type + ' and can\\'t change: make another mailbox'".into()))
        .field_path(".type")
)]
#[serde(rename_all = "camelCase")]
pub struct MailboxSpec {
    /// What kind of mailbox, and so which section is given.
    #[serde(rename = "type")]
    pub kind: MailboxKind,
    /// The address, in a domain of the agency. It may change: the old one stays as an alias.
    #[schemars(schema_with = "crate::schema::address")]
    pub address: String,
    /// Further addresses in domains of the agency.
    #[serde(default)]
    #[schemars(schema_with = "crate::schema::aliases")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub aliases: Vec<String>,
    /// The person, with type Individual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub individual: Option<Individual>,
    /// Its size; without it the minimum of the person's grade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// Ends the account: no login and no new mail, and the mail is kept until retention ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination: Option<Termination>,
    /// The account id to take up again, of a mailbox that was deleted and is still kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::account_id")]
    pub restore: Option<String>,
}

/// What kind of mailbox.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxKind {
    /// One person's.
    Individual,
}

/// The person.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Individual {
    /// The staff number: one person has one mailbox.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Z0-9][A-Z0-9/-]*$')")
        .message(Message::Expression("'\"' + self + '\" is not a staff number: write capital letters, digits, / and -, for example KKR-00123'".into())))]
    pub staff_number: String,
    #[schemars(schema_with = "crate::schema::line")]
    pub name: String,
    /// The grade of the post, of which the smallest quota follows.
    #[x_kube(validation = Rule::new("self >= 1 && self <= 60")
        .message("a grade is from 1 to 60: write the number of the post, for example 44 for F44"))]
    pub grade: i32,
    /// The language in which the person's folders are named.
    #[serde(default)]
    pub language: Language,
}

/// The languages of the service.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Malay.
    #[default]
    Ms,
    /// English.
    En,
}

/// A mailbox's size.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// For example 2Gi.
    #[schemars(schema_with = "crate::schema::size")]
    pub size: Quantity,
    /// Why it is less than the grade's minimum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::line")]
    pub reason: Option<String>,
}

/// The end of an account (circular 3/2017, paragraph 15).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Termination {
    pub reason: TerminationReason,
    /// The first day without the account, in Malaysian time.
    #[schemars(schema_with = "crate::schema::date")]
    pub on: String,
}

#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminationReason {
    Transfer,
    Retirement,
    Resignation,
    Dismissal,
    DetailsChanged,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = crate::schema::unseen()))]
pub struct MailboxStatus {
    /// The generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What was decided once and stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<Granted>,
    /// Where the first password is, until it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_password: Option<FirstPassword>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// What was decided once and stays.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Granted {
    /// The account in the directory and in the store.
    pub account_id: String,
    /// The store its mail is on.
    pub store: String,
    /// Addresses it had before: they stay its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_addresses: Vec<String>,
}

/// Where the first password is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct FirstPassword {
    /// The Secret in the mailbox's namespace.
    pub secret: String,
    /// The site whose cluster has it.
    pub site: String,
}
