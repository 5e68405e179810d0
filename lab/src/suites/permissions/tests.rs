use super::*;
use serde_json::json;

fn asked(verb: &str, resource: &str, namespace: &str, code: u64) -> Request {
    let event = json!({
        "stage": "ResponseComplete", "verb": verb, "user": {"username": OPERATOR},
        "objectRef": {"resource": resource, "namespace": namespace}, "responseStatus": {"code": code},
    });
    request(&event).unwrap()
}

fn of(place: Place, resource: &str, verbs: &[&str]) -> Vec<Right> {
    let role = json!({"rules": [{"apiGroups": [""], "resources": [resource], "verbs": verbs}]});
    rights(&role, &place)
}

fn texts(unused: Vec<&Right>) -> Vec<String> {
    unused.into_iter().map(Right::text).collect()
}

#[test]
fn a_request_is_what_the_log_says_of_the_operator_alone() {
    let event = json!({
        "stage": "ResponseStarted", "verb": "watch", "user": {"username": OPERATOR},
        "objectRef": {"apiGroup": "apps", "resource": "deployments", "subresource": "status"},
        "responseStatus": {"code": 200},
    });
    let found = request(&event).unwrap();
    assert_eq!(
        (found.group.as_str(), found.resource.as_str(), found.code),
        ("apps", "deployments/status", 200)
    );
    let mut others = event.clone();
    others["user"]["username"] = json!("admin");
    assert_eq!(request(&others), None);
    let log = format!("{event}\n{others}\n{}", &event.to_string()[..40]);
    assert_eq!(requested(&log).len(), 1);
}

#[test]
fn a_refusal_is_told_unless_it_is_a_known_one_that_passes() {
    let early = || asked("get", "secrets", "agency-kkr", 403);
    let later = || asked("get", "secrets", "agency-kkr", 404);
    assert_eq!(refused(&[early(), later()]), Vec::<String>::new());
    assert_eq!(refused(&[later(), early()]).len(), 1, "it never was allowed");
    assert_eq!(
        refused(&[early(), asked("get", "secrets", "agency-jpa", 200)]).len(),
        1
    );
    let other = [
        asked("get", "pods", "govuc-mta", 403),
        asked("get", "pods", "govuc-mta", 200),
    ];
    assert_eq!(refused(&other), ["get pods in \"govuc-mta\": "]);
}

#[test]
fn an_api_server_that_has_just_begun_may_refuse_what_it_allows_later() {
    let begun = || Request {
        message: format!("agencies is forbidden: RBAC: [{NOT_READ}]"),
        ..asked("list", "agencies", "", 403)
    };
    let later = asked("list", "agencies", "", 200);
    assert_eq!(refused(&[begun(), later]), Vec::<String>::new());
    assert_eq!(refused(&[begun()]).len(), 1);
}

#[test]
fn a_right_is_used_by_what_went_well_where_it_holds() {
    let rights = of(
        Place::Namespace("govuc-mail".into()),
        "secrets",
        &["get", "create", "patch"],
    );
    let elsewhere = [asked("get", "secrets", "govuc-mta", 200)];
    assert_eq!(unused(&rights, &elsewhere).len(), 3);
    let refused = [asked("get", "secrets", "govuc-mail", 403)];
    assert_eq!(unused(&rights, &refused).len(), 3);
    let changed = [
        asked("get", "secrets", "govuc-mail", 200),
        asked("patch", "secrets", "govuc-mail", 200),
    ];
    assert_eq!(texts(unused(&rights, &changed)), ["create secrets in govuc-mail"]);
    let made = [asked("patch", "secrets", "govuc-mail", 201)];
    assert_eq!(texts(unused(&rights, &made)), ["get secrets in govuc-mail"]);
}

#[test]
fn what_a_role_gives_in_its_namespace_is_no_use_of_the_same_right_everywhere() {
    let mut rights = of(Place::Everywhere, "configmaps", &["get"]);
    rights.extend(of(Place::Namespace("govuc-mail".into()), "configmaps", &["get"]));
    let mail = asked("get", "configmaps", "govuc-mail", 200);
    assert_eq!(texts(unused(&rights, &[mail])), ["get configmaps"]);
    let agency = asked("get", "configmaps", "agency-kkr", 200);
    assert_eq!(
        texts(unused(&rights, &[agency])),
        ["get configmaps in govuc-mail"]
    );
    let agencies = of(Place::Agencies, "secrets", &["get"]);
    let mail = asked("get", "secrets", "govuc-mail", 200);
    assert_eq!(texts(unused(&agencies, &[mail])), ["get secrets in agencies"]);
}

#[test]
fn what_is_used_seldom_says_when() {
    let rights = of(Place::Everywhere, "namespaces", &["delete", "patch"]);
    let told: Vec<String> = rights.iter().map(Right::text).collect();
    assert_eq!(
        told,
        ["delete namespaces (only when an agency goes)", "patch namespaces"]
    );
}
