//! Whole plans as files: a change of what is made shows in review.

use std::{path::Path, sync::Arc};

use govuc::{
    agency::{
        Tenant,
        observe::{Directory, Observed, View},
        plan::{Plan, of},
    },
    mailbox::{account::Wanted, observe, plan},
};
use govuc_api::{Agency, Mailbox, Platform};
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    committed::compare_text,
    fixtures::{approved, example},
};

fn yaml(objects: &[Value]) -> String {
    let mut text = String::new();
    for object in objects {
        text.push_str("---\n");
        text.push_str(&serde_yaml::to_string(object).unwrap());
    }
    text
}

fn value<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Value {
    let mut value = serde_json::to_value(object).unwrap();
    value["apiVersion"] = json!(K::api_version(&()));
    value["kind"] = json!(K::kind(&()));
    value
}

fn golden_agency(name: &str) {
    let mut agency = approved(example::<Agency>(&format!("agencies/{name}.yaml")));
    agency.metadata.uid = Some("uid".into());
    let observed = Observed {
        platform: Some(Arc::new(example::<Platform>("platform.yaml"))),
        directory: Directory::Says(View::default()),
        ..Observed::default()
    };
    let tenant = Tenant::of(&agency).unwrap();
    let Plan::Make(make) = of(&tenant, &observed, true) else {
        panic!("{name} is held");
    };
    let objects = &make.objects;
    let mut all = vec![
        json!({"directory": {"store": format!("{:?}", make.register_store), "agency": format!("{:?}", make.register)}}),
        value(make.store_object.as_ref().unwrap()),
        value(&objects.namespace),
        value(&objects.policy),
        value(&objects.quota),
        value(&objects.network_policy),
        value(&objects.cluster_role),
        value(&objects.cluster_role_binding),
    ];
    all.extend(objects.role_bindings.iter().map(value));
    compare_text(
        &Path::new("tests/golden").join(format!("agency-{name}.yaml")),
        &yaml(&all),
    );
}

#[test]
fn an_approved_agency_gets_what_is_committed() {
    golden_agency("kkr");
    golden_agency("jpa");
}

#[test]
fn a_new_mailbox_is_made_in_the_committed_steps() {
    let mailbox: Mailbox = example("mailboxes/ali-ahmad.yaml");
    let wanted = Wanted::of(&mailbox).unwrap();
    let view = observe::View {
        id: Uuid::nil(),
        store: Some(govuc_directory::Store {
            name: "mail-1".into(),
            usage: govuc_directory::StoreUse::Mail,
            preferred_site: "pdsa1".into(),
            primary_site: "pdsa1".into(),
            era: 1,
        }),
        ..Default::default()
    };
    let sites = plan::Sites {
        own: "pdsa1",
        first: "pdsa1",
    };
    let plan = plan::lead(&mailbox, &wanted, &view, "mail-1", sites, Timestamp::UNIX_EPOCH);
    compare_text(
        Path::new("tests/golden/mailbox-ali-ahmad.txt"),
        &format!("{plan:#?}\n"),
    );
}
