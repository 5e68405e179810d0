//! Agency: a tenant.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A government agency with its own domains. Nothing is made for it before its application is approved.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "1govuc.gov.my",
    version = "v1alpha1",
    kind = "Agency",
    plural = "agencies",
    status = "AgencyStatus",
    derive = "PartialEq",
    shortname = "ag",
    category = "govuc",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Approved", type_ = "string", json_path = r#".status.conditions[?(@.type=="Approved")].status"#),
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domains[?(@.primary==true)].name"),
    printcolumn(name = "Site", type_ = "string", json_path = ".spec.preferredSite"),
    printcolumn(name = "Store", type_ = "string", json_path = ".status.stores[*].name"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([a-z0-9-]{0,54}[a-z0-9])?$')")
        .message(Message::Expression("'metadata.name is ' + self.metadata.name + ': an agency is called by at most 56 lower-case letters, digits and -, beginning with a letter, for example kkr'".into())),
)]
#[x_kube(
    validation = Rule::new("!has(oldSelf.approval) || !has(self.approval) || oldSelf.approval.decision != 'Approved' || self.approval.decision != 'Approved' || self.application == oldSelf.application")
        .message("application can't be changed while approved: withdraw the approval first (kubectl govuc approve NAME --withdraw)")
        .reason(Reason::FieldValueForbidden)
        .field_path(".application"),
    validation = Rule::new("!has(oldSelf.approval) || oldSelf.approval.decision != 'Approved' || self.preferredSite == oldSelf.preferredSite")
        .message(Message::Expression("'preferredSite is ' + oldSelf.preferredSite + ' and can\\'t be edited once approved: the mail is there; moving it is a switchover of its store'".into()))
        .reason(Reason::FieldValueForbidden)
        .field_path(".preferredSite"),
    validation = Rule::new("!has(oldSelf.approval) || oldSelf.approval.decision != 'Approved' || self.mail.placement == oldSelf.mail.placement")
        .message(Message::Expression("'mail.placement is ' + oldSelf.mail.placement + ' and can\\'t be edited once approved: the agency has its store'".into()))
        .reason(Reason::FieldValueForbidden)
        .field_path(".mail.placement")
)]
#[serde(rename_all = "camelCase")]
pub struct AgencySpec {
    pub display_name: Translated,
    pub application: Application,
    /// The decision on the application. Never in Git: `kubectl govuc approve` writes it, as another person than the applicant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// The agency's own mail domains.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.filter(d, d.primary).size() == 1")
            .message("one domain is the primary one: set primary: true on exactly one")
    )]
    pub domains: Vec<Domain>,
    /// The site where the agency's mail is primary.
    #[schemars(schema_with = "crate::schema::label")]
    pub preferred_site: String,
    #[serde(default)]
    pub mail: AgencyMail,
    /// Who may do what in the agency's namespace.
    #[serde(default)]
    pub administrators: Administrators,
}

/// A text in the two languages of the service.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Translated {
    /// Malay.
    #[schemars(schema_with = "crate::schema::line")]
    pub ms: String,
    /// English.
    #[schemars(schema_with = "crate::schema::line")]
    pub en: String,
}

/// The agency's application (circular 3/2017, paragraphs 6 and 7).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// The user name of the applicant, as the API server knows it.
    #[schemars(schema_with = "crate::schema::line")]
    pub requested_by: String,
    /// The reference of the letter to headquarters.
    #[schemars(schema_with = "crate::schema::line")]
    pub headquarters_reference: String,
    /// Why the agency needs the service.
    #[schemars(schema_with = "crate::schema::paragraph")]
    pub justification: String,
    pub budget: Budget,
    pub existing_contract: ExistingContract,
    /// How many mailboxes are expected: a store is chosen by it.
    #[serde(default = "default_expected_users")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub expected_users: i32,
}

/// The money for it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// Where it comes from.
    #[schemars(schema_with = "crate::schema::line")]
    pub source: String,
    /// Ringgit, as approved.
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub approved_amount: i64,
    /// The year it is for.
    #[schemars(range(min = 2017, max = 2100))]
    pub year: i32,
}

/// A standing contract for mail: none, or one that ends at least six months after the transition was planned.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(
    validation = Rule::new("(has(self.none) && self.none) ? (!has(self.endsOn) && !has(self.transitionPlannedOn)) : (has(self.endsOn) && has(self.transitionPlannedOn))")
        .message("write either none: true, or both endsOn and transitionPlannedOn"),
    // Months are counted by the calendar. A day that the last month does not have falls on that month's last day.
    validation = Rule::new("!has(self.endsOn) || !has(self.transitionPlannedOn) || \
        (int(self.endsOn.substring(0, 4)) * 12 + int(self.endsOn.substring(5, 7)) \
            - int(self.transitionPlannedOn.substring(0, 4)) * 12 - int(self.transitionPlannedOn.substring(5, 7)) > 6) || \
        (int(self.endsOn.substring(0, 4)) * 12 + int(self.endsOn.substring(5, 7)) \
            - int(self.transitionPlannedOn.substring(0, 4)) * 12 - int(self.transitionPlannedOn.substring(5, 7)) == 6 && \
            (int(self.endsOn.substring(8, 10)) >= int(self.transitionPlannedOn.substring(8, 10)) || \
                (timestamp(self.endsOn + 'T00:00:00Z') + duration('24h')).getDate() == 1))")
        .message(Message::Expression("'the contract ends on ' + self.endsOn + ', less than 6 months after the transition was planned on ' + self.transitionPlannedOn + ': plan the transition at least 6 months before the end (circular 3/2017, paragraph 7)'".into()))
        .field_path(".endsOn")
)]
#[serde(rename_all = "camelCase")]
pub struct ExistingContract {
    /// True: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<bool>,
    /// Its last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::date")]
    pub ends_on: Option<String>,
    /// The day on which the transition was planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::date")]
    pub transition_planned_on: Option<String>,
}

/// A decision on the application.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("self.decision != 'Rejected' || has(self.reason)")
    .message("a rejection needs its reason: kubectl govuc approve NAME --reject --reason TEXT"))]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    pub decision: DecisionKind,
    /// The user name of who decided, as the API server knows it. Never the applicant.
    #[schemars(schema_with = "crate::schema::line")]
    pub decided_by: String,
    /// Why. Needed for a rejection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::paragraph")]
    pub reason: Option<String>,
    /// The day of the decision.
    #[schemars(schema_with = "crate::schema::date")]
    pub on: String,
}

#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionKind {
    Approved,
    Rejected,
}

/// A mail domain. One that another agency has already is refused by the lead, in the conditions.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Domain {
    #[schemars(schema_with = "crate::schema::domain")]
    pub name: String,
    /// The domain that people see first.
    #[serde(default)]
    pub primary: bool,
}

/// The agency's mail.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AgencyMail {
    #[serde(default)]
    pub placement: Placement,
}

/// On what store an agency's mail is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// With other agencies of the same preferred site, unless it is a large one.
    #[default]
    Shared,
    /// On its own.
    Dedicated,
}

/// Who may do what in the agency's namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Administrators {
    /// Create, change and end mailboxes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub admins: Vec<Subject>,
    /// See everything, and decide on what an administrator asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub ict_managers: Vec<Subject>,
    /// See mailboxes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub viewers: Vec<Subject>,
    /// See mailboxes, events, roles and policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub auditors: Vec<Subject>,
}

/// Who: a user or group of the API server, or a ServiceAccount.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("has(self.namespace) == (self.kind == 'ServiceAccount')")
    .message("namespace is for kind ServiceAccount, which needs it, and for no other"))]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    pub kind: SubjectKind,
    #[schemars(schema_with = "crate::schema::line")]
    pub name: String,
    /// The ServiceAccount's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    User,
    Group,
    ServiceAccount,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = crate::schema::unseen()))]
pub struct AgencyStatus {
    /// The generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where its mailboxes live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The stores its mail is on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub stores: Vec<PlacedStore>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// A store the agency is on.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct PlacedStore {
    pub name: String,
    #[serde(rename = "use")]
    pub usage: crate::StoreUse,
}

fn default_expected_users() -> i32 {
    1000
}
