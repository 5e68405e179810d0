//! Maintenance windows, and what waits for one.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When parts that run may be restarted.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Maintenance {
    /// The windows. The first site has the first half of each, the other site the second. They may not overlap.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.all(a, has(a.recurrence) || self.all(b, has(b.recurrence) || a.name == b.name || timestamp(a.end) <= timestamp(b.start) || timestamp(b.end) <= timestamp(a.start)))")
            .message("two windows overlap: move one, or join them into one")
    )]
    pub windows: Vec<MaintenanceWindow>,
}

/// A time in which parts that run may be restarted, once or again and again.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(
    validation = Rule::new("timestamp(self.end) - timestamp(self.start) >= duration('30m') && timestamp(self.end) - timestamp(self.start) <= duration('24h')")
        .message(Message::Expression("'window ' + self.name + ' is from ' + self.start + ' to ' + self.end + \
            ': a window lasts from 30m to 24h, of which each site has one half. Move end'".into())),
    validation = Rule::new("!has(self.recurrence) || self.recurrence.substring(self.recurrence.contains('BYDAY') ? self.recurrence.indexOf('BYDAY') : 0).contains(['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA'][(timestamp(self.start) + duration('8h')).getDayOfWeek()])")
        .message(Message::Expression("'window ' + self.name + ' recurs by ' + self.recurrence + ', and its start is a ' + \
            ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA'][(timestamp(self.start) + duration('8h')).getDayOfWeek()] + \
            ' in Malaysia: start is the first time that the window comes. Name this day in BYDAY, or move start and end'".into()))
)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceWindow {
    /// What people call it.
    #[schemars(schema_with = "crate::schema::window")]
    pub name: String,
    /// When it begins; with a recurrence, the first time.
    #[schemars(schema_with = "crate::schema::instant")]
    pub start: Time,
    /// When it ends, 30 minutes to 24 hours later.
    #[schemars(schema_with = "crate::schema::instant")]
    pub end: Time,
    /// Its further times, as in RFC 5545: FREQ=WEEKLY or MONTHLY, INTERVAL up to 12, BYDAY, UNTIL; in this order. Days are
    /// those of Malaysia.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::recurrence")]
    pub recurrence: Option<String>,
}

/// What is known of a maintenance window.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WindowStatus {
    pub name: String,
    /// Of start, end and recurrence: with another one it is another window.
    pub digest: String,
    /// Since when both clusters have it as it is. Absent as long as the other one has not, and without a witness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced_at: Option<Time>,
    /// When it begins next, or began if it is now; absent when it comes no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
}

/// A restart that waits for a maintenance window.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PendingRestart {
    /// The part whose pods are to be restarted.
    pub part: String,
    /// What of them is to be another.
    pub change: String,
    /// Why that is not now: a reason of the condition UpgradePending.
    pub reason: String,
    /// The window in which this site's next turn is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// When the turn begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<Time>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes: Option<Time>,
}

/// An engine that a store does not get, although its spec or the operator names it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WithheldEngine {
    /// Its version.
    pub version: String,
    /// A reason of the condition UpgradePending: Pinned, UnknownVersion or OlderVersion.
    pub reason: String,
    /// Why, and what would change it; for people.
    pub message: String,
}
