//! Platform: the service itself, one object in each cluster.

use k8s_openapi::apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::Condition};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    mail_store::Storage,
    maintenance::{Maintenance, PendingRestart, WindowStatus},
};

/// The service: its domain, its two sites, and what holds for every agency. There is one, called `platform`.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "1govuc.gov.my",
    version = "v1alpha1",
    kind = "Platform",
    status = "PlatformStatus",
    derive = "PartialEq",
    shortname = "gplat",
    category = "govuc",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Lead", type_ = "string", json_path = ".status.lead"),
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domain"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    validation = Rule::new("self.metadata.name == 'platform'")
        .message(Message::Expression("'metadata.name is ' + self.metadata.name + ': there is one Platform, and it is called platform'".into())),
    validation = Rule::new("self.spec.roles.mode != 'Witness' || self.spec.sites.all(site, site.gateway.endsWith(':8443'))")
        .message(Message::Expression("'spec.sites: the gateways are ' + self.spec.sites[0].gateway + ' and ' + self.spec.sites[1].gateway + \
            ', and the witness reaches both at port 8443, whatever the host: give each gateway the port 8443, or set spec.roles.mode to TwoSite'".into())),
    validation = Rule::new("self.spec.roles.mode != 'Witness' || self.spec.sites.all(site, site.name != 'witness' && !site.name.startsWith('peer-'))")
        .message(Message::Expression("'spec.sites: the sites are ' + self.spec.sites[0].name + ' and ' + self.spec.sites[1].name + \
            '; with spec.roles.mode Witness none may be called witness or peer-…, which are names of the members of the etcd that holds roles: choose another'".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct PlatformSpec {
    /// The domain of the service itself: its directory and public names are made from it. It can't change.
    #[schemars(schema_with = "crate::schema::domain")]
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message(Message::Expression("'the domain is ' + oldSelf + ' and can\\'t change: accounts and certificates are made from it'".into())))]
    pub domain: String,
    /// The two data centres. Their names can't change. Without a witness the first is the lead, which decides what must be
    /// decided once; with one, either may be.
    #[schemars(length(min = 2, max = 2))]
    #[x_kube(
        validation = Rule::new("self.size() != 2 || self[0].name != self[1].name")
            .message("two sites have the same name: give each its own"),
        validation = Rule::new("self.size() != 2 || oldSelf.size() != 2 || (self[0].name == oldSelf[0].name && self[1].name == oldSelf[1].name)")
            .message(Message::Expression("'the sites are ' + oldSelf[0].name + ' and ' + oldSelf[1].name + ', in this order; names and order can\\'t change: certificates and routes are made from them'".into()))
    )]
    pub sites: Vec<Site>,
    /// How it is agreed which site takes a store's mail.
    #[serde(default)]
    pub roles: PlatformRoles,
    /// Rules for passwords of people.
    #[serde(default)]
    pub password: PasswordPolicy,
    /// Defaults of mail.
    #[serde(default)]
    pub mail: PlatformMail,
    /// When parts that run may be restarted. Left out, that is at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Maintenance>,
}

/// One data centre.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Site {
    /// Its name, in host names and certificates.
    #[schemars(schema_with = "crate::schema::label")]
    pub name: String,
    /// Host and port where the other site reaches this one. An IP address here is also asked for as the load balancer's.
    #[schemars(schema_with = "crate::schema::host_port")]
    pub gateway: String,
    /// Addresses to ask of the load balancer; without one it chooses.
    #[serde(default)]
    pub addresses: Addresses,
}

/// Public addresses of a site.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Addresses {
    /// Where people's mail programs come in: IMAPS 993, submission 465, password change 443.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::ip_address")]
    pub front_door: Option<String>,
    /// Where mail from the Internet comes in: SMTP 25.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::ip_address")]
    pub mx: Option<String>,
}

/// How it is agreed which site takes a store's mail.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(
    validation = Rule::new("self.mode != 'Witness' || has(self.witness)")
        .message("mode is Witness, and no witness is named: add witness.endpoint, the host and port of a machine at a third place, for example w.gov.my:8443; or set mode to TwoSite"),
    validation = Rule::new("self.mode != 'TwoSite' || !has(self.witness)")
        .message("a witness is named, and mode is TwoSite, which has none: set mode to Witness, or leave witness out"),
    validation = Rule::new("oldSelf.mode != 'Witness' || self.mode == 'Witness'")
        .message("mode is Witness and can't go back to TwoSite: the two sites would not change at one moment, and a store could have two primaries between. To move the witness, change witness.endpoint")
)]
#[serde(rename_all = "camelCase")]
pub struct PlatformRoles {
    /// Witness: an etcd of three members, one of them at a third place, so that either site can go on alone. TwoSite: no third
    /// place; nothing changes sides by itself.
    #[serde(default)]
    pub mode: RolesMode,
    /// The third place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
}

/// Where roles come from.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RolesMode {
    /// A person decides.
    #[default]
    TwoSite,
    /// A majority of two sites and a witness decides.
    Witness,
}

/// A machine at a third place that only votes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Witness {
    /// Host and port where both sites reach it.
    #[schemars(schema_with = "crate::schema::host_port")]
    pub endpoint: String,
    /// The witness that is lost for good, by the id that condition RolesReady has for it. The operator takes it from the
    /// members as soon as both sites are there, and makes a place for one with an empty disk. A witness that answers is not
    /// taken for lost; and once the id is gone from the members this says nothing more, and may stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::member_id")]
    pub lost: Option<String>,
}

/// Rules for passwords of people.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PasswordPolicy {
    /// Shortest password, in characters.
    #[serde(default = "default_min_length")]
    #[schemars(range(min = 8, max = 64))]
    pub min_length: i32,
    /// How many of the last passwords can't be used again.
    #[serde(default = "default_history")]
    #[schemars(range(min = 0, max = 24))]
    pub history: i32,
    /// When guessing is stopped.
    #[serde(default)]
    pub lockout: Lockout,
    /// Days without a login after which an account is locked.
    #[serde(default = "default_idle_days")]
    #[schemars(range(min = 1, max = 3650))]
    pub idle_days: i32,
}

/// When guessing is stopped.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Lockout {
    /// Wrong passwords in a row that lock an account.
    #[serde(default = "default_attempts")]
    #[schemars(range(min = 3, max = 100))]
    pub attempts: i32,
    /// How long the account stays locked, for example 15m.
    #[serde(rename = "for", default = "default_lockout")]
    #[schemars(schema_with = "crate::schema::duration")]
    pub duration: String,
}

/// Defaults of mail.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PlatformMail {
    /// How agencies are put on stores.
    #[serde(default)]
    pub placement: StorePlacement,
    /// Storage of a store that the operator makes, in each site.
    #[serde(default)]
    pub storage: Storage,
    /// Largest quota a mailbox may have.
    #[serde(default = "default_quota_ceiling")]
    #[schemars(schema_with = "crate::schema::size")]
    pub quota_ceiling: Quantity,
}

/// How agencies are put on stores.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("self.dedicatedAbove <= self.maxUsers")
    .message("dedicatedAbove is more than maxUsers, so an agency between them would fit nowhere: lower dedicatedAbove, or raise maxUsers"))]
#[serde(rename_all = "camelCase")]
pub struct StorePlacement {
    /// An agency that expects more users than this gets a store of its own.
    #[serde(default = "default_dedicated_above")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub dedicated_above: i32,
    /// Users a shared store takes.
    #[serde(default = "default_max_users")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_users: i32,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = crate::schema::unseen()))]
pub struct PlatformStatus {
    /// The generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The site that decides what must be decided once; none while nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<String>,
    /// The maintenance windows, and since when both clusters have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub windows: Vec<WindowStatus>,
    /// Parts of this site whose restart waits for a maintenance window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["part".into()]))]
    pub pending: Vec<PendingRestart>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min_length: default_min_length(),
            history: default_history(),
            lockout: Lockout::default(),
            idle_days: default_idle_days(),
        }
    }
}

impl Default for Lockout {
    fn default() -> Self {
        Self {
            attempts: default_attempts(),
            duration: default_lockout(),
        }
    }
}

impl Default for PlatformMail {
    fn default() -> Self {
        Self {
            placement: StorePlacement::default(),
            storage: Storage::default(),
            quota_ceiling: default_quota_ceiling(),
        }
    }
}

impl Default for StorePlacement {
    fn default() -> Self {
        Self {
            dedicated_above: default_dedicated_above(),
            max_users: default_max_users(),
        }
    }
}

fn default_min_length() -> i32 {
    12
}

fn default_history() -> i32 {
    5
}

fn default_attempts() -> i32 {
    5
}

fn default_lockout() -> String {
    "15m".to_owned()
}

fn default_idle_days() -> i32 {
    90
}

fn default_quota_ceiling() -> Quantity {
    Quantity("50Gi".to_owned())
}

fn default_dedicated_above() -> i32 {
    20_000
}

fn default_max_users() -> i32 {
    30_000
}
