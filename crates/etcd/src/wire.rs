//! The messages of etcd's JSON gateway: protobuf's JSON form, where bytes are base64 and 64-bit numbers are strings.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// `bytes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Octets(pub Vec<u8>);

/// `int64`. Absent when zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Int(pub i64);

/// `uint64`. Absent when zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uint(pub u64);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Header {
    pub cluster_id: Uint,
    pub member_id: Uint,
    pub revision: Int,
    pub raft_term: Uint,
}

#[derive(Debug, Default, Serialize)]
pub struct RangeRequest {
    pub key: Octets,
    #[serde(skip_serializing_if = "Octets::is_empty")]
    pub range_end: Octets,
    pub keys_only: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RangeResponse {
    pub header: Header,
    pub kvs: Vec<KeyValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct KeyValue {
    pub key: Octets,
    pub value: Octets,
    pub create_revision: Int,
    pub mod_revision: Int,
    pub lease: Int,
}

#[derive(Debug, Serialize)]
pub struct TxnRequest {
    pub compare: Vec<Compare>,
    pub success: Vec<RequestOp>,
    pub failure: Vec<RequestOp>,
}

#[derive(Debug, Serialize)]
pub struct Compare {
    pub target: Target,
    pub result: Relation,
    pub key: Octets,
    #[serde(flatten)]
    pub with: CompareWith,
}

#[derive(Debug, Serialize)]
pub enum Target {
    #[serde(rename = "MOD")]
    Modified,
    #[serde(rename = "LEASE")]
    Lease,
}

#[derive(Debug, Serialize)]
pub enum Relation {
    #[serde(rename = "EQUAL")]
    Equal,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CompareWith {
    ModRevision(Int),
    Lease(Int),
}

#[derive(Debug, Serialize)]
pub enum RequestOp {
    #[serde(rename = "request_range")]
    Range(RangeRequest),
    #[serde(rename = "request_put")]
    Put(PutRequest),
    #[serde(rename = "request_delete_range")]
    Delete(DeleteRequest),
}

#[derive(Debug, Serialize)]
pub struct PutRequest {
    pub key: Octets,
    pub value: Octets,
    pub lease: Int,
}

#[derive(Debug, Serialize)]
pub struct DeleteRequest {
    pub key: Octets,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TxnResponse {
    pub header: Header,
    pub succeeded: bool,
    pub responses: Vec<ResponseOp>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ResponseOp {
    pub response_range: Option<RangeResponse>,
}

#[derive(Debug, Serialize)]
pub struct GrantRequest {
    #[serde(rename = "TTL")]
    pub ttl: Int,
    #[serde(rename = "ID")]
    pub id: Int,
}

#[derive(Debug, Serialize)]
pub struct LeaseRequest {
    #[serde(rename = "ID")]
    pub id: Int,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LeaseResponse {
    #[serde(rename = "ID")]
    pub id: Int,
    #[serde(rename = "TTL")]
    pub ttl: Int,
}

#[derive(Debug, Serialize)]
pub struct WatchRequest {
    pub create_request: WatchCreateRequest,
}

#[derive(Debug, Serialize)]
pub struct WatchCreateRequest {
    pub key: Octets,
    pub range_end: Octets,
    pub start_revision: Int,
    pub progress_notify: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct WatchResponse {
    pub header: Header,
    pub created: bool,
    pub canceled: bool,
    pub compact_revision: Int,
    pub cancel_reason: String,
    pub events: Vec<Event>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Event {
    pub r#type: EventType,
    pub kv: KeyValue,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub enum EventType {
    #[default]
    #[serde(rename = "PUT")]
    Put,
    #[serde(rename = "DELETE")]
    Delete,
}

/// One message of an answer that is a stream.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Streamed<T> {
    Result(T),
    Error(Status),
}

/// gRPC's status.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Has another name in streams of gateways before 3.6.
    #[serde(alias = "grpc_code")]
    pub code: u32,
    pub message: String,
}

#[derive(Debug, Serialize)]
pub struct MemberListRequest {
    pub linearizable: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct MemberListResponse {
    pub members: Vec<Member>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Member {
    #[serde(rename = "ID")]
    pub id: Uint,
    pub name: String,
    #[serde(rename = "peerURLs")]
    pub peer_urls: Vec<String>,
    #[serde(rename = "clientURLs")]
    pub client_urls: Vec<String>,
    #[serde(rename = "isLearner")]
    pub is_learner: bool,
}

/// The request of whatever takes nothing, and the answer of whatever says nothing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Nothing {}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct StatusResponse {
    pub header: Header,
    pub version: String,
    #[serde(rename = "dbSize")]
    pub db_size: Int,
    #[serde(rename = "dbSizeInUse")]
    pub db_size_in_use: Int,
    pub leader: Uint,
    #[serde(rename = "raftIndex")]
    pub raft_index: Uint,
    #[serde(rename = "raftAppliedIndex")]
    pub raft_applied_index: Uint,
    pub errors: Vec<String>,
    #[serde(rename = "isLearner")]
    pub is_learner: bool,
}

impl Octets {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Octets {
    fn from(text: &str) -> Self {
        Octets(text.as_bytes().to_vec())
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        STANDARD
            .decode(text.as_bytes())
            .map(Octets)
            .map_err(de::Error::custom)
    }
}

impl Serialize for Int {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_number(deserializer).map(Int)
    }
}

impl<'de> Deserialize<'de> for Uint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_number(deserializer).map(Uint)
    }
}

/// Protobuf's JSON form has 64-bit numbers as strings, and takes them as numbers too.
fn text_or_number<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + std::str::FromStr<Err: std::fmt::Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form<T> {
        Number(T),
        Text(String),
    }
    match Form::<T>::deserialize(deserializer)? {
        Form::Number(number) => Ok(number),
        Form::Text(text) => text.parse().map_err(de::Error::custom),
    }
}

/// The end of the range of all keys that begin with `prefix`, which is not empty.
pub fn end_of_prefix(prefix: &str) -> Octets {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    Octets(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_written_in_protobufs_json_form() {
        let request = TxnRequest {
            compare: vec![Compare {
                target: Target::Modified,
                result: Relation::Equal,
                key: "a".into(),
                with: CompareWith::ModRevision(Int(0)),
            }],
            success: vec![RequestOp::Put(PutRequest {
                key: "a".into(),
                value: "b".into(),
                lease: Int(7),
            })],
            failure: vec![RequestOp::Range(RangeRequest {
                key: "a".into(),
                ..RangeRequest::default()
            })],
        };
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            concat!(
                r#"{"compare":[{"target":"MOD","result":"EQUAL","key":"YQ==","mod_revision":"0"}],"#,
                r#""success":[{"request_put":{"key":"YQ==","value":"Yg==","lease":"7"}}],"#,
                r#""failure":[{"request_range":{"key":"YQ==","keys_only":false}}]}"#
            )
        );
    }

    #[test]
    fn what_is_absent_from_an_answer_is_zero() {
        let answer: TxnResponse = serde_json::from_str(r#"{"header":{"revision":"9"}}"#).unwrap();
        assert_eq!(answer.header.revision, Int(9));
        assert!(!answer.succeeded);
        let range: RangeResponse =
            serde_json::from_str(r#"{"kvs":[{"key":"YQ==","mod_revision":"3"}],"count":"1"}"#).unwrap();
        assert_eq!(range.kvs[0].key, "a".into());
        assert_eq!(range.kvs[0].value, Octets::default());
    }

    #[test]
    fn a_member_has_an_id_beyond_signed_numbers() {
        let member: Member = serde_json::from_str(r#"{"ID":"16764803453413041721"}"#).unwrap();
        assert_eq!(member.id, Uint(16_764_803_453_413_041_721));
    }

    #[test]
    fn a_stream_brings_results_until_an_error() {
        let result: Streamed<LeaseResponse> =
            serde_json::from_str(r#"{"result":{"ID":"5","TTL":"15"}}"#).unwrap();
        assert!(matches!(
            result,
            Streamed::Result(LeaseResponse { ttl: Int(15), .. })
        ));
        let error: Streamed<LeaseResponse> =
            serde_json::from_str(r#"{"error":{"code":14,"message":"etcdserver: no leader","details":[]}}"#)
                .unwrap();
        assert!(matches!(error, Streamed::Error(Status { code: 14, .. })));
    }

    #[test]
    fn a_prefix_ends_before_its_next_neighbour() {
        assert_eq!(end_of_prefix("/govuc/").0, b"/govuc0");
    }
}
