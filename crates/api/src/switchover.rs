//! A planned change of a store's primary, in which nothing is lost.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A planned switchover: nothing stored is lost, or it does not happen.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(
    validation = Rule::new("self.id == oldSelf.id ? self == oldSelf : true")
        .message(Message::Expression("'switchover ' + oldSelf.id + ' is asked for already and stays as it is: ask for another with another id, as kubectl govuc switchover does'".into()))
)]
#[serde(rename_all = "camelCase")]
pub struct Switchover {
    /// Names the operation here, in etcd, in the guards' logs and in the status. Another id is another switchover.
    #[schemars(schema_with = "crate::schema::operation")]
    pub id: String,
    /// The site that is to be primary.
    #[schemars(schema_with = "crate::schema::label")]
    pub to: String,
    /// It is not begun after this.
    pub not_after: Time,
}

/// How far a switchover is, or how it ended.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SwitchoverStatus {
    pub id: String,
    pub state: SwitchoverState,
    /// What is done now or was wrong, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The site that was primary when it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    pub to: String,
    /// SHA-256 over what both copies had when the role was handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The term that began with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<i64>,
    /// When the store's guards were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// Where a switchover is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchoverState {
    /// Nothing has begun.
    Pending,
    /// Clients wait while the copies are made equal, or while the other site takes over.
    Draining,
    /// The other site is primary.
    Done,
    /// Nothing was begun; the message says why.
    Refused,
    /// It was begun and taken back: everything is as it was.
    Aborted,
    /// Nobody began it in time.
    Expired,
}

impl SwitchoverState {
    /// Nothing more comes.
    pub fn is_final(self) -> bool {
        match self {
            SwitchoverState::Pending | SwitchoverState::Draining => false,
            SwitchoverState::Done
            | SwitchoverState::Refused
            | SwitchoverState::Aborted
            | SwitchoverState::Expired => true,
        }
    }
}
