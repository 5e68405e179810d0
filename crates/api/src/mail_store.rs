//! MailStore: one mail engine per site, and the unit that has a primary.

use k8s_openapi::apimachinery::pkg::{
    api::resource::Quantity,
    apis::meta::v1::{Condition, Time},
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    failover::{Failover, FailoverStatus},
    hold::{Hold, HoldStatus},
    maintenance::{PendingRestart, WithheldEngine},
    switchover::{Switchover, SwitchoverStatus},
};

/// A mail engine in each site, one of them primary and the other its copy. The operator makes them as agencies need.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "1govuc.gov.my",
    version = "v1alpha1",
    kind = "MailStore",
    status = "MailStoreStatus",
    derive = "PartialEq",
    shortname = "mstore",
    category = "govuc",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Replicated", type_ = "string", json_path = r#".status.conditions[?(@.type=="Replicated")].status"#),
    printcolumn(name = "Primary", type_ = "string", json_path = ".status.primary"),
    printcolumn(name = "Term", type_ = "integer", json_path = ".status.term"),
    printcolumn(name = "Size", type_ = "string", json_path = ".spec.storage.size"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Failover", type_ = "string", json_path = ".status.failover.state", priority = 1),
    printcolumn(name = "Switchover", type_ = "string", json_path = ".status.switchover.state", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$')")
        .message(Message::Expression("'metadata.name is ' + self.metadata.name + ': a store is called by at most 40 lower-case letters, digits and -, for example mail-1'".into())),
    validation = Rule::new("!(self.metadata.name in ['directory', 'filter', 'front-door', 'gateway', 'mx', 'submission', 'operator', 'roles', 'roles-client', 'roles-peer'])")
        .message(Message::Expression("'metadata.name is ' + self.metadata.name + ', the name of another part of the site: choose another, for example mail-1'".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct MailStoreSpec {
    /// What it keeps.
    #[serde(rename = "use", default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("what a store is used for can't change: make another store"))]
    pub usage: StoreUse,
    /// The site that is to be primary. Takes the store first; a change moves it there, by a switchover in a maintenance window.
    #[schemars(schema_with = "crate::schema::label")]
    pub preferred_site: String,
    /// Its volume in each site.
    #[serde(default)]
    pub storage: Storage,
    /// Users it takes.
    #[serde(default = "default_capacity")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub capacity: i32,
    /// The version of the engine to run, which is the tag of its image. Left out, that is the operator's own. A change takes effect
    /// in a maintenance window; a version that the operator has no image of changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::engine_version")]
    pub version: Option<String>,
    /// A planned switchover that is asked for, once. Written by `kubectl govuc switchover`; files leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switchover: Option<Switchover>,
    /// A failover that a person decides on, once. Written by `kubectl govuc failover`; files leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<Failover>,
    /// A person has the site of this cluster serve without the roles' etcd, once. Written by `kubectl govuc hold`; files leave
    /// it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

impl MailStoreSpec {
    /// Mail, first at this site, with nothing asked of it.
    pub fn at(preferred_site: impl Into<String>) -> Self {
        Self {
            usage: StoreUse::Mail,
            preferred_site: preferred_site.into(),
            storage: Storage::default(),
            capacity: default_capacity(),
            version: None,
            switchover: None,
            failover: None,
            hold: None,
        }
    }
}

/// What a store keeps.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreUse {
    /// People's mail.
    #[default]
    Mail,
}

/// A volume.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Its size. A store that exists keeps its volume: a change takes effect for new ones.
    #[serde(default = "default_size")]
    #[schemars(schema_with = "crate::schema::size")]
    pub size: Quantity,
    /// Its StorageClass; without one the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = crate::schema::unseen()))]
pub struct MailStoreStatus {
    /// The generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The site that takes clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    /// Raised by a person only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub era: Option<i64>,
    /// Raised whenever a site becomes primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<i64>,
    /// The copies that this operator knows of, that of its own site first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sites: Vec<StoreCopy>,
    /// The switchover that was asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switchover: Option<SwitchoverStatus>,
    /// What became of `spec.preferredSite`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_site: Option<PreferredSiteStatus>,
    /// The version of the engine that this site's copy runs: the tag of its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The engine that this site's copy does not get; absent when there is none. One that waits for a window is not withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<WithheldEngine>,
    /// The restart of this site's copy that waits for a maintenance window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["part".into()]))]
    pub pending: Vec<PendingRestart>,
    /// The failover that was asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<FailoverStatus>,
    /// The hold that was asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldStatus>,
    /// How far the merge of a copy is that was passed over by a failover; absent once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<MergeStatus>,
    /// What the roles' etcd has of the copies, as it said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<RecordedCopies>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// How far a store is on its way to `spec.preferredSite`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PreferredSiteStatus {
    /// The preferred site that the store was made for or has moved to. Another one in the spec is a move that has not ended.
    pub site: String,
    /// Why the move has not begun, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// The last attempt to move it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switchover: Option<SwitchoverStatus>,
}

/// What the roles' etcd has of a store's copies. It counts when the primary does not answer.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RecordedCopies {
    pub era: i64,
    pub term: i64,
    /// The site that took the store last; absent after a hand-over, until it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    /// Whether it keeps its lease: it serves then, though it may not be reached from here.
    pub leased: bool,
    /// The volume of the copy that has all that was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// Whether the other copy has it too.
    pub paired: bool,
    /// The volume of the other copy, if it ever was in step in this term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_volume: Option<String>,
    /// Since when it is not in step any more, if that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind_since: Option<Time>,
    /// A copy that was passed over by a failover, and not merged since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<PassedOver>,
    /// The copy that was passed over and merged last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<MergedCopy>,
}

/// What became of a copy that was passed over.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MergedCopy {
    pub site: String,
    pub volume: String,
    /// Folders that were made at the primary for it.
    pub folders: i64,
    /// Messages that only it had, and the primary has now.
    pub messages: i64,
    /// Messages that the primary had, or had had.
    pub known: i64,
    /// Messages that had been deleted there.
    pub expunged: i64,
}

/// How far the merge of a copy is, as the primary's guard says.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MergeStatus {
    pub site: String,
    pub volume: String,
    /// Accounts that have mail there; absent until that copy is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owners: Option<i64>,
    /// Accounts of which the primary has everything.
    pub owners_done: i64,
    /// Made at the primary so far.
    pub folders: i64,
    pub messages: i64,
    /// Messages that the primary had, or had had.
    pub known: i64,
    /// Messages that had been deleted there.
    pub expunged: i64,
    /// Why the last attempt failed, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// A copy that may have stored mail which the primary lacks.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PassedOver {
    pub site: String,
    pub volume: String,
    /// The last term that it served.
    pub term: i64,
}

/// A store's copy at a site.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StoreCopy {
    /// The site.
    pub name: String,
    /// The volume's id, made at its first use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    pub state: CopyState,
}

/// What a copy is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyState {
    /// Primary, and the other site has all that is stored.
    Paired,
    /// Primary, and the other site may not have all of it.
    Alone,
    /// Serves without the roles' etcd, by a person's decision: what it stores is nowhere else.
    Held,
    /// Takes what the primary sends.
    Follower,
    /// It was passed over by a failover and may have mail that the primary lacks: that is merged, and then the copy is made anew.
    Quarantine,
    /// Does not serve, or does not answer.
    Unknown,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            size: default_size(),
            class_name: None,
        }
    }
}

fn default_size() -> Quantity {
    Quantity("2Ti".to_owned())
}

fn default_capacity() -> i32 {
    30_000
}
