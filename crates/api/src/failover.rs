//! A person has a site become primary although its copy may lack something.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mail_store::PassedOver;

/// A site is made primary although its copy may lack something: a person has decided to do without that.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(
    validation = Rule::new("self.id == oldSelf.id ? self == oldSelf : true")
        .message(Message::Expression("'failover ' + oldSelf.id + ' is asked for already and stays as it is: ask for another with another id, as kubectl govuc failover does'".into()))
)]
#[serde(rename_all = "camelCase")]
pub struct Failover {
    /// Names the operation here, in etcd, in the guards' logs and in the status. Another id is another failover.
    #[schemars(schema_with = "crate::schema::operation")]
    pub id: String,
    /// The site that is to be primary.
    #[schemars(schema_with = "crate::schema::label")]
    pub to: String,
    /// It is not begun after this.
    pub not_after: Time,
}

/// How far a failover is, or how it ended.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FailoverStatus {
    pub id: String,
    pub state: FailoverState,
    /// What is done now or was wrong, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The site that took the store last before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    pub to: String,
    /// What the copy there lacked when the guards were asked, as far as was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<Lack>,
    /// The era that began with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub era: Option<i64>,
    /// The term that began with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<i64>,
    /// The copy that was passed over: what it has alone is nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<PassedOver>,
    /// When the store's guards were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// Where a failover is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailoverState {
    /// The site does not serve yet.
    Pending,
    /// The site is primary.
    Done,
    /// Nothing was begun; the message says why.
    Refused,
    /// The site did not take the store in time.
    Expired,
}

impl FailoverState {
    /// Nothing more comes.
    pub fn is_final(self) -> bool {
        match self {
            FailoverState::Pending => false,
            FailoverState::Done | FailoverState::Refused | FailoverState::Expired => true,
        }
    }
}

/// What a copy lacks of what was stored.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Lack {
    pub extent: Extent,
    /// For people.
    pub message: String,
    /// What was stored before that it has; absent when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// How much a copy lacks.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Etcd has it recorded to have all that was stored.
    Nothing,
    /// It was in step under this primary, and is not any more.
    Changes,
    /// Nobody knows, up to everything.
    Unknown,
}
