//! What each role of an agency may do, and what the operator may not.

use std::time::Duration;

use govuc::agency::{Tenant, desired};
use govuc_api::Agency;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, Resource, api::PostParams};
use rstest::rstest;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::cluster::{client, example, installed, put, remove};

static AGENCY: OnceCell<()> = OnceCell::const_new();
const OPERATOR: &str = "system:serviceaccount:govuc-system:govuc";

/// Agency `roles`, as the operator makes it, with one person of each role.
async fn agency() -> Client {
    let client = installed(None).await;
    AGENCY
        .get_or_init(async || {
            make(&client, &client, "roles").await;
            // The authorizer learns of a binding a moment after it was written.
            for _ in 0..100 {
                if allowed(
                    &client,
                    "auditor-of-roles",
                    "list",
                    "",
                    "configmaps",
                    Some("agency-roles"),
                )
                .await
                {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
    client
}

/// An agency of that name, whose objects `maker` makes.
async fn make(admin: &Client, maker: &Client, name: &str) {
    let mut agency = example("agencies/kkr.yaml");
    agency["metadata"]["name"] = json!(name);
    let person = |role: &str| json!([{"kind": "User", "name": format!("{role}-of-{name}")}]);
    agency["spec"]["administrators"] = json!({
        "admins": person("admin"), "ictManagers": person("ict"),
        "viewers": person("viewer"), "auditors": person("auditor"),
    });
    let kept = put(admin, &agency).await.unwrap();
    let agency: Agency = serde_json::from_value(serde_json::to_value(kept).unwrap()).unwrap();
    let objects = desired::objects(&Tenant::of(&agency).unwrap(), "50Gi");
    let mut all = vec![
        value(&objects.namespace),
        value(&objects.policy),
        value(&objects.quota),
        value(&objects.network_policy),
        value(&objects.cluster_role),
        value(&objects.cluster_role_binding),
    ];
    all.extend(objects.role_bindings.iter().map(value));
    for object in all {
        put(maker, &object).await.unwrap();
    }
}

fn value<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Value {
    let mut value = serde_json::to_value(object).unwrap();
    value["apiVersion"] = json!(K::api_version(&()));
    value["kind"] = json!(K::kind(&()));
    value
}

async fn allowed(
    client: &Client,
    user: &str,
    verb: &str,
    group: &str,
    resource: &str,
    namespace: Option<&str>,
) -> bool {
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            resource_attributes: Some(ResourceAttributes {
                verb: Some(verb.to_owned()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                namespace: namespace.map(str::to_owned),
                ..Default::default()
            }),
            ..Default::default()
        },
        ..Default::default()
    };
    let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
    answer.status.unwrap().allowed
}

const KINDS: &str = govuc_api::GROUP;

#[rstest]
#[case::an_administrator_creates("admin-of-roles", "create", KINDS, "mailboxes", true)]
#[case::an_administrator_ends("admin-of-roles", "delete", KINDS, "mailboxes", true)]
#[case::an_administrator_hands_out_first_passwords("admin-of-roles", "get", "", "secrets", true)]
#[case::an_administrator_lists_no_secrets("admin-of-roles", "list", "", "secrets", false)]
#[case::an_administrator_writes_no_policy("admin-of-roles", "update", "", "configmaps", false)]
#[case::an_administrator_gives_no_roles(
    "admin-of-roles",
    "create",
    "rbac.authorization.k8s.io",
    "rolebindings",
    false
)]
#[case::an_ict_manager_sees("ict-of-roles", "list", KINDS, "mailboxes", true)]
#[case::an_ict_manager_changes_nothing("ict-of-roles", "patch", KINDS, "mailboxes", false)]
#[case::an_ict_manager_sees_no_password("ict-of-roles", "get", "", "secrets", false)]
#[case::a_viewer_sees("viewer-of-roles", "watch", KINDS, "mailboxes", true)]
#[case::a_viewer_changes_nothing("viewer-of-roles", "create", KINDS, "mailboxes", false)]
#[case::a_viewer_sees_no_password("viewer-of-roles", "get", "", "secrets", false)]
#[case::an_auditor_sees_who_may(
    "auditor-of-roles",
    "list",
    "rbac.authorization.k8s.io",
    "rolebindings",
    true
)]
#[case::an_auditor_sees_no_password("auditor-of-roles", "get", "", "secrets", false)]
#[case::the_operator_keeps_first_passwords(OPERATOR, "create", "", "secrets", true)]
#[case::the_operator_lists_no_secrets(OPERATOR, "list", "", "secrets", false)]
#[tokio::test]
async fn in_the_agencys_namespace(
    #[case] user: &str,
    #[case] verb: &str,
    #[case] group: &str,
    #[case] resource: &str,
    #[case] may: bool,
) {
    let client = agency().await;
    assert_eq!(
        allowed(&client, user, verb, group, resource, Some("agency-roles")).await,
        may
    );
}

#[rstest]
#[case::an_administrator("admin-of-roles", "list", KINDS, "mailboxes")]
#[case::an_administrator_of_secrets("admin-of-roles", "get", "", "secrets")]
#[case::the_operator_of_secrets(OPERATOR, "get", "", "secrets")]
#[case::the_operator_of_pods(OPERATOR, "create", "", "pods")]
#[tokio::test]
async fn nobody_reaches_into_another_namespace(
    #[case] user: &str,
    #[case] verb: &str,
    #[case] group: &str,
    #[case] resource: &str,
) {
    let client = agency().await;
    assert!(!allowed(&client, user, verb, group, resource, Some("default")).await);
}

/// The mirror does here what the other cluster's people did there.
#[rstest]
#[case::makes_agencies("create", "agencies")]
#[case::changes_agencies("update", "agencies")]
#[case::ends_agencies("delete", "agencies")]
#[case::makes_mailboxes("create", "mailboxes")]
#[case::changes_mailboxes("update", "mailboxes")]
#[case::ends_mailboxes("delete", "mailboxes")]
#[tokio::test]
async fn the_operator_mirrors(#[case] verb: &str, #[case] resource: &str) {
    let client = agency().await;
    assert!(allowed(&client, OPERATOR, verb, KINDS, resource, None).await);
}

#[tokio::test]
async fn the_operator_makes_what_an_agency_needs_by_its_own_rights_and_takes_it_away() {
    let admin = installed(None).await;
    let operator = client("pdsa1", Some(OPERATOR)).await;
    for _ in ["new", "there"] {
        make(&admin, &operator, "rights").await;
    }
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "agency-rights"}});
    remove(&operator, &namespace).await;
}

#[rstest]
#[case::no_approval(OPERATOR, "approve", KINDS, "agencies")]
#[case::no_platform_of_its_own(OPERATOR, "create", KINDS, "platforms")]
#[case::no_change_of_the_platform(OPERATOR, "patch", KINDS, "platforms")]
#[case::no_change_of_a_store(OPERATOR, "patch", KINDS, "mailstores")]
#[case::no_end_of_a_store(OPERATOR, "delete", KINDS, "mailstores")]
#[case::no_identity_of_another(OPERATOR, "impersonate", "", "users")]
#[case::no_more_than_it_has(OPERATOR, "escalate", "rbac.authorization.k8s.io", "clusterroles")]
#[case::no_switchover(OPERATOR, "switchover", KINDS, "mailstores")]
#[case::a_pipeline_moves_no_store("pipeline", "switchover", KINDS, "mailstores")]
#[case::no_failover(OPERATOR, "failover", KINDS, "mailstores")]
#[case::a_pipeline_gives_nothing_up("pipeline", "failover", KINDS, "mailstores")]
#[case::who_moves_stores_gives_nothing_up("mover", "failover", KINDS, "mailstores")]
#[case::no_hold(OPERATOR, "hold", KINDS, "mailstores")]
#[case::a_pipeline_holds_nothing("pipeline", "hold", KINDS, "mailstores")]
#[case::who_moves_stores_holds_none("mover", "hold", KINDS, "mailstores")]
#[case::who_decides_on_failovers_makes_no_store("recoverer", "create", KINDS, "mailstores")]
#[case::who_moves_stores_makes_none("mover", "create", KINDS, "mailstores")]
#[case::who_moves_stores_approves_nothing("mover", "approve", KINDS, "agencies")]
#[case::a_pipeline_never_approves("pipeline", "approve", KINDS, "agencies")]
#[tokio::test]
async fn nobody_holds_more_than_the_role_says(
    #[case] user: &str,
    #[case] verb: &str,
    #[case] group: &str,
    #[case] resource: &str,
) {
    let client = agency().await;
    assert!(!allowed(&client, user, verb, group, resource, None).await);
}
