//! What the operator's roles allow, as an API server judges it. The API server in memory refuses everything else.

use std::sync::LazyLock;

use govuc::manifests::{Installation, OPERATOR, installation};
use http::Method;
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::Value;

/// Rules of one role, and where they hold.
struct Held {
    /// `None`: everywhere.
    namespace: Option<String>,
    rules: Vec<PolicyRule>,
}

/// What a request is about, as the API server tells it from the path.
struct Asked<'a> {
    group: &'a str,
    namespace: Option<&'a str>,
    /// With its subresource: `agencies/status`.
    resource: String,
    name: Option<&'a str>,
}

static ROLES: LazyLock<Vec<Held>> = LazyLock::new(|| {
    let wanted = Installation::new("pdsa1".parse().unwrap(), Vec::new(), &[]).unwrap();
    let files = installation(&wanted).unwrap();
    let objects = files.iter().flat_map(|file| &file.objects);
    let mine = objects.filter(|object| {
        let name = object["metadata"]["name"].as_str().unwrap();
        let is_role = ["Role", "ClusterRole"].contains(&object["kind"].as_str().unwrap());
        is_role && [OPERATOR, IN_AGENCY].contains(&name)
    });
    mine.map(held).collect()
});

/// By this the operator has rights in the namespaces of agencies, where it binds it to itself.
const IN_AGENCY: &str = "govuc-agency-operator";
const AGENCIES: &str = "agency-";

fn held(role: &Value) -> Held {
    let namespace = match role["metadata"]["name"].as_str() {
        Some(IN_AGENCY) => Some(AGENCIES.to_owned()),
        _ => role["metadata"]["namespace"].as_str().map(str::to_owned),
    };
    Held {
        namespace,
        rules: serde_json::from_value(role["rules"].clone()).unwrap(),
    }
}

/// Why the operator's account may not do this, if it may not. `is_there`: what the path names is.
pub fn refusal(method: &Method, path: &str, is_there: bool) -> Option<String> {
    let asked = asked(path);
    let verbs: &[&str] = match (method.as_str(), asked.name) {
        ("GET", Some(_)) => &["get"],
        ("GET", None) => &["list"],
        ("POST", _) => &["create"],
        ("PUT", _) => &["update"],
        // Server-side apply of what is not there makes it, and of a status that is refused.
        ("PATCH", _) if !is_there && !asked.resource.contains('/') => &["patch", "create"],
        ("PATCH", _) => &["patch"],
        ("DELETE", _) => &["delete"],
        (other, _) => panic!("{other} {path} is no request of the operator's"),
    };
    let missing: Vec<&str> = verbs
        .iter()
        .copied()
        .filter(|verb| !allows(&asked, verb))
        .collect();
    (!missing.is_empty()).then(|| {
        let Asked {
            group,
            namespace,
            resource,
            ..
        } = &asked;
        let place = namespace.map_or_else(String::new, |namespace| format!(" in {namespace}"));
        format!(
            "the operator's roles (src/manifests/rbac.rs) do not allow to {} {resource}.{group}{place}",
            missing.join(" and ")
        )
    })
}

fn allows(asked: &Asked<'_>, verb: &str) -> bool {
    let has = |items: &Option<Vec<String>>, item: &str| items.iter().flatten().any(|found| found == item);
    let here = |held: &&Held| match (held.namespace.as_deref(), asked.namespace) {
        (None, _) => true,
        (Some(AGENCIES), Some(namespace)) => namespace.starts_with(AGENCIES),
        (Some(held), Some(namespace)) => held == namespace,
        (Some(_), None) => false,
    };
    ROLES
        .iter()
        .filter(here)
        .flat_map(|held| &held.rules)
        .any(|rule| {
            let named = rule.resource_names.is_none()
                || asked.name.is_some_and(|name| has(&rule.resource_names, name));
            named
                && has(&rule.api_groups, asked.group)
                && has(&rule.resources, &asked.resource)
                && rule.verbs.iter().any(|found| found == verb)
        })
}

fn asked(path: &str) -> Asked<'_> {
    let words: Vec<&str> = path.split('/').skip(1).collect();
    let (group, rest) = match words.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => panic!("{path} is no path of an object"),
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let (resource, name) = match rest {
        [resource] => ((*resource).to_owned(), None),
        [resource, name] => ((*resource).to_owned(), Some(*name)),
        [resource, name, part] => (format!("{resource}/{part}"), Some(*name)),
        _ => panic!("{path} is no path of an object"),
    };
    Asked {
        group,
        namespace,
        resource,
        name,
    }
}

#[test]
fn what_no_role_gives_is_refused_and_what_one_gives_is_not() {
    let may = |method: Method, path: &str, is_there: bool| refusal(&method, path, is_there).is_none();
    let secrets = |namespace: &str| format!("/api/v1/namespaces/{namespace}/secrets/tls-mx");
    assert!(may(Method::GET, &secrets("govuc-mta"), true));
    assert!(may(Method::GET, &secrets("agency-kkr"), true));
    assert!(!may(Method::GET, &secrets("kube-system"), true));
    assert!(!may(Method::DELETE, &secrets("govuc-mta"), true));
    assert!(may(Method::DELETE, &secrets("agency-kkr"), true));
    let ours = "/apis/1govuc.gov.my/v1alpha1";
    assert!(may(
        Method::PATCH,
        &format!("{ours}/mailstores/mail-1/status"),
        true
    ));
    assert!(!may(Method::PATCH, &format!("{ours}/mailstores/mail-1"), true));
    // Of a volume: it is made, and not changed. And apply makes what is not there.
    let claim = "/api/v1/namespaces/govuc-mail/persistentvolumeclaims";
    assert!(may(Method::POST, claim, false));
    assert!(!may(Method::PATCH, &format!("{claim}/data-mail-1-0"), true));
    let why = refusal(&Method::PATCH, &format!("{ours}/platforms/platform"), false).unwrap();
    assert!(
        why.ends_with("do not allow to patch and create platforms.1govuc.gov.my"),
        "{why}"
    );
}
