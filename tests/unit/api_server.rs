//! An API server in memory: enough of it to see whether a reconcile converges, what it writes, and that it may: who asks is the
//! operator's account, and what its roles do not give is refused.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Method, Request, Response, StatusCode};
use kube::{Client, Resource, client::Body};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::rights;

/// One cluster. Clones share it.
#[derive(Clone, Default)]
pub struct ApiServer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By path.
    objects: BTreeMap<String, Value>,
    version: u64,
    /// What was written, as `METHOD path`.
    writes: Vec<String>,
    requests: usize,
    /// What the operator's roles do not allow.
    refused: Vec<String>,
    /// How many more writes go well, and how the next one fails.
    failure: Option<(usize, Failure)>,
}

/// How a write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is written.
    Before,
    /// It is written, and the answer is lost.
    After,
}

impl ApiServer {
    pub fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let query = parts.uri.query().unwrap_or_default();
                let (code, answer) =
                    server
                        .0
                        .lock()
                        .unwrap()
                        .answer(&parts.method, parts.uri.path(), query, &body);
                let response = Response::builder()
                    .status(code)
                    .body(Body::from(serde_json::to_vec(&answer).unwrap()))
                    .unwrap();
                Ok::<_, Infallible>(response)
            }
        });
        Client::new(service, "default")
    }

    /// Puts an object there, as a person would.
    pub fn put<K: Resource<DynamicType = ()> + Serialize>(&self, object: &K) {
        let mut value = serde_json::to_value(object).unwrap();
        value["apiVersion"] = json!(K::api_version(&()));
        value["kind"] = json!(K::kind(&()));
        let path = path::<K>(
            object.meta().namespace.as_deref(),
            object.meta().name.as_deref().unwrap(),
        );
        let mut state = self.0.lock().unwrap();
        let old = state.objects.get(&path).cloned();
        // A person's apply touches neither status nor finalizers, and counts as an edit.
        if let Some(old) = old {
            value["status"] = old["status"].clone();
            value["metadata"]["finalizers"] = old["metadata"]["finalizers"].clone();
            value["metadata"]["uid"] = old["metadata"]["uid"].clone();
            value["metadata"]["generation"] = json!(old["metadata"]["generation"].as_u64().unwrap_or(0) + 1);
        }
        state.store(&path, value);
    }

    /// Puts its finalizers, as a controller does.
    pub fn put_finalizers<K: Resource<DynamicType = ()> + Serialize>(&self, object: &K) {
        let meta = object.meta();
        let path = path::<K>(meta.namespace.as_deref(), meta.name.as_deref().unwrap());
        let mut state = self.0.lock().unwrap();
        let mut value = state.objects[&path].clone();
        value["metadata"]["finalizers"] = json!(meta.finalizers);
        state.store(&path, value);
    }

    pub fn get<K: Resource<DynamicType = ()> + DeserializeOwned>(
        &self,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<K> {
        let state = self.0.lock().unwrap();
        let value = state.objects.get(&path::<K>(namespace, name))?;
        Some(serde_json::from_value(value.clone()).unwrap())
    }

    /// Marks as deleted what is held, and takes away what is not.
    pub fn delete<K: Resource<DynamicType = ()>>(&self, namespace: Option<&str>, name: &str) {
        self.0.lock().unwrap().delete(&path::<K>(namespace, name));
    }

    /// The write after so many fails, once.
    pub fn fail_after(&self, writes: usize, failure: Failure) {
        self.0.lock().unwrap().failure = Some((writes, failure));
    }

    /// Whether it has.
    pub fn has_failed(&self) -> bool {
        self.0.lock().unwrap().failure.is_none()
    }

    /// Everything that is there, as a backup has it.
    pub fn backup(&self) -> BTreeMap<String, Value> {
        self.0.lock().unwrap().objects.clone()
    }

    /// Puts that in the place of what is there.
    pub fn restore(&self, backup: BTreeMap<String, Value>) {
        self.0.lock().unwrap().objects = backup;
    }

    /// Another one whenever something has changed.
    pub fn version(&self) -> (u64, usize) {
        let state = self.0.lock().unwrap();
        (state.version, state.objects.len())
    }

    /// What was written since this was asked last.
    pub fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().writes)
    }

    /// How many requests came since this was asked last.
    pub fn requests(&self) -> usize {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }

    /// What was asked for and the operator's roles do not allow, since this was asked last.
    pub fn refused(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().refused)
    }

    /// Every object of a kind.
    pub fn list<K: Resource<DynamicType = ()> + DeserializeOwned>(&self) -> Vec<K> {
        let state = self.0.lock().unwrap();
        let kind = K::kind(&());
        let all = state
            .objects
            .values()
            .filter(|object| object["kind"] == json!(kind));
        all.map(|object| serde_json::from_value(object.clone()).unwrap())
            .collect()
    }
}

impl State {
    fn answer(&mut self, method: &Method, path: &str, query: &str, body: &[u8]) -> (StatusCode, Value) {
        self.requests += 1;
        if let Some(refusal) = rights::refusal(method, path, self.objects.contains_key(path)) {
            self.refused.push(refusal.clone());
            return failed_because(StatusCode::FORBIDDEN, "Forbidden", &refusal);
        }
        if method != Method::GET {
            self.writes.push(format!("{method} {path}"));
        }
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let fails = if method == Method::GET {
            None
        } else {
            self.strike()
        };
        if fails == Some(Failure::Before) {
            return failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
        }
        let answer = self.carry_out(method, path, query, body);
        if fails == Some(Failure::After) {
            return failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
        }
        answer
    }

    fn strike(&mut self) -> Option<Failure> {
        let (left, failure) = self.failure?;
        self.failure = left.checked_sub(1).map(|left| (left, failure));
        self.failure.is_none().then_some(failure)
    }

    fn carry_out(&mut self, method: &Method, path: &str, query: &str, body: Value) -> (StatusCode, Value) {
        match method.as_str() {
            "GET" if is_collection(path) => self.collection(path),
            "GET" => self
                .objects
                .get(path)
                .map_or_else(not_found, |object| (StatusCode::OK, object.clone())),
            "POST" if path.ends_with("/events") => (StatusCode::CREATED, body),
            "POST" => {
                let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
                if self.objects.contains_key(&path) {
                    return failed(StatusCode::CONFLICT, "AlreadyExists");
                }
                (StatusCode::CREATED, self.store(&path, body))
            }
            "PUT" => self.replace(path, body),
            "PATCH" if path.ends_with("/status") => {
                let path = path.trim_end_matches("/status").to_owned();
                let Some(mut object) = self.objects.get(&path).cloned() else {
                    return not_found();
                };
                object["status"] = body["status"].clone();
                (StatusCode::OK, self.store(&path, object))
            }
            "PATCH" => {
                // Only an apply makes what is not there.
                if !query.contains("force=true") && !self.objects.contains_key(path) {
                    return not_found();
                }
                if !self.is_as_seen(path, &body["metadata"]) {
                    return failed(StatusCode::CONFLICT, "Conflict");
                }
                let mut object = self.objects.get(path).cloned().unwrap_or_else(|| json!({}));
                merge(&mut object, &body);
                if object["metadata"]["finalizers"] == json!([])
                    && !object["metadata"]["deletionTimestamp"].is_null()
                {
                    self.objects.remove(path);
                    return (StatusCode::OK, object);
                }
                (StatusCode::OK, self.store(path, object))
            }
            "DELETE" => {
                if !self.is_as_seen(path, &body["preconditions"]) {
                    return failed(StatusCode::CONFLICT, "Conflict");
                }
                self.delete(path);
                (
                    StatusCode::OK,
                    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}),
                )
            }
            other => panic!("{other} {path} is not served"),
        }
    }

    /// As it was when it was read.
    fn is_as_seen(&self, path: &str, seen: &Value) -> bool {
        let Some(object) = self.objects.get(path) else {
            return true;
        };
        let fields = ["uid", "resourceVersion"].into_iter();
        let mut given = fields.filter(|field| !seen[field].is_null());
        given.all(|field| seen[field] == object["metadata"][field])
    }

    /// The spec and what people may write of the metadata; the last finalizer of what was deleted lets it go.
    fn replace(&mut self, path: &str, mut body: Value) -> (StatusCode, Value) {
        let Some(old) = self.objects.get(path).cloned() else {
            return not_found();
        };
        if !self.is_as_seen(path, &body["metadata"]) {
            return failed(StatusCode::CONFLICT, "Conflict");
        }
        for field in ["uid", "deletionTimestamp", "generation"] {
            body["metadata"][field] = old["metadata"][field].clone();
        }
        body["status"] = old["status"].clone();
        if body["spec"] != old["spec"] {
            body["metadata"]["generation"] = json!(old["metadata"]["generation"].as_u64().unwrap_or(0) + 1);
        }
        let held = body["metadata"]["finalizers"]
            .as_array()
            .is_some_and(|held| !held.is_empty());
        if !held && !body["metadata"]["deletionTimestamp"].is_null() {
            self.objects.remove(path);
            return (StatusCode::OK, body);
        }
        (StatusCode::OK, self.store(path, body))
    }

    fn collection(&self, path: &str) -> (StatusCode, Value) {
        let prefix = format!("{path}/");
        let items: Vec<&Value> = self
            .objects
            .range(prefix.clone()..)
            .take_while(|(path, _)| path.starts_with(&prefix))
            .map(|(_, object)| object)
            .collect();
        (
            StatusCode::OK,
            json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items}),
        )
    }

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = json!(self.version.to_string());
        if metadata["uid"].is_null() {
            metadata["uid"] = json!(format!("uid-{}", self.version));
        }
        if metadata["generation"].is_null() {
            metadata["generation"] = json!(1);
        }
        // The controller manager counts a quota before the API server lets anything in that it is about.
        if object["kind"] == "ResourceQuota" {
            object["status"]["hard"] = object["spec"]["hard"].clone();
        }
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    fn delete(&mut self, path: &str) {
        let Some(object) = self.objects.get_mut(path) else {
            return;
        };
        let held = object["metadata"]["finalizers"]
            .as_array()
            .is_some_and(|held| !held.is_empty());
        if held {
            object["metadata"]["deletionTimestamp"] = json!("2026-11-24T00:00:00Z");
        } else {
            self.objects.remove(path);
        }
    }
}

fn path<K: Resource<DynamicType = ()>>(namespace: Option<&str>, name: &str) -> String {
    format!("{}/{name}", K::url_path(&(), namespace))
}

/// The plural is the last but one word of an object's path; every kind here has a plural in `s`.
fn is_collection(path: &str) -> bool {
    let words: Vec<&str> = path.split('/').skip(1).collect();
    let rest = if words[0] == "api" {
        &words[2..]
    } else {
        &words[3..]
    };
    match rest {
        ["namespaces", _, _, _] => false,
        ["namespaces", _, _] => true,
        [_, _] => false,
        _ => true,
    }
}

fn not_found() -> (StatusCode, Value) {
    failed(StatusCode::NOT_FOUND, "NotFound")
}

fn failed(code: StatusCode, reason: &str) -> (StatusCode, Value) {
    failed_because(code, reason, reason)
}

fn failed_because(code: StatusCode, reason: &str, message: &str) -> (StatusCode, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason,
        "code": code.as_u16(), "message": message});
    (code, status)
}

fn merge(object: &mut Value, change: &Value) {
    match (object, change) {
        (Value::Object(object), Value::Object(change)) => {
            for (key, change) in change {
                match change {
                    Value::Null => {
                        object.remove(key);
                    }
                    change => merge(object.entry(key).or_insert(Value::Null), change),
                }
            }
        }
        (object, change) => *object = change.clone(),
    }
}
