//! What the operator asked of both API servers in a whole run, held against its roles: by their audit logs.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::mail::quiet::OPERATOR;
use crate::network::Site;
use crate::service::Service;

/// Namespaces of agencies, in each of which the operator has the role of that name.
const AGENCIES: &str = "agency-";
const IN_AGENCY: &str = "govuc-agency-operator";
const FORBIDDEN: u64 = 403;

/// Requests that may be refused, if the same is allowed later: verb (any when empty), resource, begin of the namespace, why.
const REFUSED: [(&str, &str, &str, &str); 1] = [(
    "",
    "secrets",
    AGENCIES,
    "the binding that the operator has just made for itself takes a moment to hold",
)];

/// In the refusals of an API server that has just begun, and has not read its roles yet.
const NOT_READ: &str = "clusterrole.rbac.authorization.k8s.io \"system:basic-user\" not found";

/// Rights that a run need not use: verb, resource (any when empty), used only when.
const SELDOM: [(&str, &str, &str); 10] = [
    (
        "bind",
        "",
        "the API server itself asks for it when a role is bound",
    ),
    ("govern", "", "admission itself asks for it"),
    ("delete", "namespaces", "an agency goes"),
    (
        "create",
        "agencies",
        "it was given to one cluster only (suite mirror)",
    ),
    (
        "delete",
        "agencies",
        "it was deleted in the other cluster (suite mirror)",
    ),
    (
        "create",
        "mailboxes",
        "it was given to one cluster only (suite mirror)",
    ),
    (
        "delete",
        "mailboxes",
        "it was deleted in the other cluster (suite mirror)",
    ),
    (
        "patch",
        "agencies",
        "its reconcile holds it before the mirror does",
    ),
    (
        "patch",
        "mailboxes",
        "its reconcile holds it before the mirror does",
    ),
    ("", "events", "a reconcile fails"),
];

/// One request of the operator's, as it ended, or begun if it is a watch.
#[derive(Debug, PartialEq)]
struct Request {
    verb: String,
    group: String,
    /// With its subresource.
    resource: String,
    namespace: String,
    code: u64,
    message: String,
}

/// One verb on one resource that a role gives.
#[derive(Debug, Clone, PartialEq)]
struct Right {
    place: Place,
    group: String,
    resource: String,
    verb: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Place {
    Everywhere,
    Namespace(String),
    Agencies,
}

/// Nothing was refused that is not among [`REFUSED`]. Says which rights were used at neither site, besides those of [`SELDOM`].
pub async fn the_operator_is_refused_nothing(service: &Service) -> anyhow::Result<String> {
    let mut requests = Vec::new();
    let mut refusals = Vec::new();
    for site in Site::DATA_CENTRES {
        let of_site = requested(&logs(&service.lab.folder.site(site).log("audit"))?);
        ensure!(
            of_site.iter().any(|request| request.verb == "get"),
            "{site}: the audit log has no read of {OPERATOR}, so nothing was proven"
        );
        refusals.extend(
            refused(&of_site)
                .into_iter()
                .map(|text| format!("{site}: {text}")),
        );
        requests.extend(of_site);
    }
    ensure!(refusals.is_empty(), "refused: {}", refusals.join("; "));
    let rights = given(service)?;
    let unused = unused(&rights, &requests);
    let named = |rights: &[&Right]| {
        rights
            .iter()
            .map(|right| right.text())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let never = unused.into_iter().filter(|right| used_only_when(right).is_none());
    let never: Vec<&Right> = never.collect();
    Ok(format!(
        "{} requests; of {} rights not used, and not known to be seldom: {}",
        requests.len(),
        rights.len(),
        if never.is_empty() {
            "none".to_owned()
        } else {
            named(&never)
        }
    ))
}

/// The log, after the one that was put aside when it became too long.
fn logs(path: &Path) -> anyhow::Result<String> {
    let folder = path.parent().context("a log is in a folder")?;
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?.path();
        let name = entry
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("audit-") {
            paths.push(entry);
        }
    }
    paths.sort();
    paths.push(path.to_owned());
    let texts = paths
        .iter()
        .map(|path| fs::read_to_string(path).with_context(|| path.display().to_string()));
    Ok(texts.collect::<anyhow::Result<Vec<_>>>()?.concat())
}

fn requested(log: &str) -> Vec<Request> {
    // The last line may be half written.
    let events = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter_map(|event| request(&event)).collect()
}

fn request(event: &Value) -> Option<Request> {
    let stages = ["ResponseStarted", "ResponseComplete"];
    if event["user"]["username"] != OPERATOR || !stages.contains(&event["stage"].as_str()?) {
        return None;
    }
    let about = event.get("objectRef")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let resource = match about["subresource"].as_str() {
        Some(part) => format!("{}/{part}", text(&about["resource"])),
        None => text(&about["resource"]),
    };
    Some(Request {
        verb: text(&event["verb"]),
        group: text(&about["apiGroup"]),
        resource,
        namespace: text(&about["namespace"]),
        code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
        message: text(&event["responseStatus"]["message"]),
    })
}

/// What was refused and may not be.
fn refused(requests: &[Request]) -> Vec<String> {
    let all = requests.iter().enumerate();
    let wrong = all.filter(|(i, request)| {
        let same = |later: &Request| {
            (&later.verb, &later.resource, &later.namespace)
                == (&request.verb, &request.resource, &request.namespace)
        };
        let allowed_later = requests[i + 1..]
            .iter()
            .any(|later| same(later) && later.code != FORBIDDEN);
        request.code == FORBIDDEN && !(allowed_later && may_be_refused(request))
    });
    let mut texts: Vec<String> = wrong
        .map(|(_, request)| {
            let Request {
                verb,
                resource,
                namespace,
                message,
                ..
            } = request;
            format!("{verb} {resource} in {namespace:?}: {message}")
        })
        .collect();
    texts.sort();
    texts.dedup();
    texts
}

fn may_be_refused(request: &Request) -> bool {
    request.message.contains(NOT_READ)
        || REFUSED.iter().any(|(verb, resource, namespace, _)| {
            (verb.is_empty() || request.verb == *verb)
                && request.resource == *resource
                && request.namespace.starts_with(namespace)
        })
}

/// The roles as they are in the first cluster; both have the same.
fn given(service: &Service) -> anyhow::Result<Vec<Right>> {
    let site = Site::DATA_CENTRES[0];
    let get = |words: &[&str]| -> anyhow::Result<Value> {
        let text = service.kubectl.run(site, &[words, &["-o", "json"]].concat())?;
        Ok(serde_json::from_str(&text)?)
    };
    let everywhere = get(&["get", "clusterrole", "govuc"])?;
    let in_agency = get(&["get", "clusterrole", IN_AGENCY])?;
    let mut rights = rights(&everywhere, &Place::Everywhere);
    rights.extend(self::rights(&in_agency, &Place::Agencies));
    for namespace in ["govuc-system", "govuc-mail", "govuc-mta"] {
        let role = get(&["get", "role", "govuc", "--namespace", namespace])?;
        rights.extend(self::rights(&role, &Place::Namespace(namespace.to_owned())));
    }
    Ok(rights)
}

fn rights(role: &Value, place: &Place) -> Vec<Right> {
    let texts = |value: &Value| -> Vec<String> {
        let items = value.as_array().into_iter().flatten();
        items
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    let mut rights = Vec::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                rights.extend(texts(&rule["verbs"]).into_iter().map(|verb| Right {
                    place: place.clone(),
                    group: group.clone(),
                    resource: resource.clone(),
                    verb,
                }));
            }
        }
    }
    rights
}

fn unused<'a>(rights: &'a [Right], requests: &[Request]) -> Vec<&'a Right> {
    let is_used = |right: &Right| requests.iter().any(|request| right.is_used_by(request, rights));
    rights.iter().filter(|right| !is_used(right)).collect()
}

fn used_only_when(right: &Right) -> Option<&'static str> {
    let found = SELDOM.iter().find(|(verb, resource, _)| {
        (verb.is_empty() || right.verb == *verb) && (resource.is_empty() || right.resource == *resource)
    });
    found.map(|(_, _, when)| *when)
}

impl Right {
    /// What a Role of that namespace gives, too, is no use of the ClusterRole.
    fn is_used_by(&self, request: &Request, rights: &[Right]) -> bool {
        // Of what it makes, server-side apply asks for both.
        let verb = request.verb == self.verb
            || self.verb == "create" && request.verb == "patch" && request.code == 201;
        let here = match &self.place {
            Place::Everywhere => {
                let same = Right {
                    place: Place::Namespace(request.namespace.clone()),
                    ..self.clone()
                };
                !rights.contains(&same)
            }
            Place::Namespace(namespace) => request.namespace == *namespace,
            Place::Agencies => request.namespace.starts_with(AGENCIES),
        };
        let what = request.group == self.group && request.resource == self.resource;
        request.code < 400 && verb && what && here
    }

    fn text(&self) -> String {
        let Self {
            place,
            resource,
            verb,
            ..
        } = self;
        let place = match place {
            Place::Everywhere => String::new(),
            Place::Namespace(namespace) => format!(" in {namespace}"),
            Place::Agencies => " in agencies".to_owned(),
        };
        let when = used_only_when(self).map_or_else(String::new, |when| format!(" (only when {when})"));
        format!("{verb} {resource}{place}{when}")
    }
}

#[cfg(test)]
mod tests;
