//! A person has a site serve a store though the roles' etcd does not answer.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A site serves without the roles' etcd: a person has seen to it that the other site does not.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(
    validation = Rule::new("self.id == oldSelf.id ? self == oldSelf : true")
        .message(Message::Expression("'hold ' + oldSelf.id + ' is asked for already and stays as it is: ask for another with another id, as kubectl govuc hold does'".into()))
)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// Names the operation here, in the guard's log, in etcd once it answers, and in the status. Another id is another hold.
    #[schemars(schema_with = "crate::schema::operation")]
    pub id: String,
    /// The site that is to serve: that of the cluster in which it is written.
    #[schemars(schema_with = "crate::schema::label")]
    pub to: String,
    /// It is not begun after this.
    pub not_after: Time,
}

/// How far a hold is, or how it ended.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HoldStatus {
    pub id: String,
    pub state: HoldState,
    /// What is done now or was wrong, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    pub to: String,
    /// When the guard was first asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Time>,
    /// When the site was first seen to serve by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// Where a hold is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// The site does not serve yet.
    Pending,
    /// It was begun, and the roles' etcd does not know yet: what is stored now may be nowhere else.
    Held,
    /// The roles' etcd knows: it decides again who serves.
    Settled,
    /// Nothing was begun; the message says why.
    Refused,
    /// The guard did not begin it in time.
    Expired,
}

impl HoldState {
    /// Nothing more comes.
    pub fn is_final(self) -> bool {
        match self {
            HoldState::Pending | HoldState::Held => false,
            HoldState::Settled | HoldState::Refused | HoldState::Expired => true,
        }
    }
}
