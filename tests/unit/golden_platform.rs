//! Whole plans of a site and of a store as files: a change of what runs shows in review.

use std::{collections::BTreeMap, path::Path};

use govuc::{
    mail_store::{self, Store},
    operator::Images,
    part::objects::Objects,
    platform::{Installation, desired::Blueprint, plan},
};
use govuc_api::{MailStore, MailStoreSpec, Platform};
use kube::Resource;
use serde::Serialize;
use serde_json::json;

use crate::{committed::compare_text, fixtures::example};

fn installation(site: &str) -> Installation {
    let mut platform: Platform = example("platform.yaml");
    platform.metadata.uid = Some("uid".into());
    Installation::of(&platform, site).unwrap()
}

fn images() -> Images {
    let map = Images::NAMES
        .map(|name| (name.to_uppercase(), format!("localhost/govuc/{name}:dev")))
        .into();
    Images::from_map(&map).unwrap()
}

fn add<K: Resource<DynamicType = ()> + Serialize>(text: &mut String, objects: &[K]) {
    for object in objects {
        let mut value = serde_json::to_value(object).unwrap();
        value["apiVersion"] = json!(K::api_version(&()));
        value["kind"] = json!(K::kind(&()));
        text.push_str("---\n");
        text.push_str(&serde_yaml::to_string(&value).unwrap());
    }
}

fn yaml(objects: &Objects) -> String {
    // Without `..`: a kind that is added to the type must be shown here.
    let Objects {
        namespaces,
        network_policies,
        service_accounts,
        secrets,
        config_maps,
        volume_claims,
        services,
        disruption_budgets,
        stateful_sets,
        deployments,
    } = objects;
    let mut text = String::new();
    add(&mut text, namespaces);
    add(&mut text, network_policies);
    add(&mut text, service_accounts);
    add(&mut text, secrets);
    add(&mut text, config_maps);
    add(&mut text, volume_claims);
    add(&mut text, services);
    add(&mut text, disruption_budgets);
    add(&mut text, stateful_sets);
    add(&mut text, deployments);
    text
}

#[test]
fn each_site_of_the_example_gets_what_is_committed() {
    for site in ["pdsa1", "pdsa2"] {
        let installation = installation(site);
        let blueprint = Blueprint {
            installation: &installation,
            images: &images(),
            certificates: &BTreeMap::new(),
            session: "",
            roles_token: "7e57",
            own_signatures: false,
        };
        let mut objects = plan::ground(&installation);
        objects.extend(plan::parts(blueprint, &[7; 32]).unwrap());
        let path = Path::new("tests/golden").join(format!("platform-{site}.yaml"));
        compare_text(&path, &yaml(&objects));
    }
}

#[test]
fn a_store_gets_what_is_committed() {
    let mut object = MailStore::new("mail-1", MailStoreSpec::at("pdsa2"));
    object.metadata.uid = Some("uid".into());
    let installation = installation("pdsa1");
    let store = Store::of(&object, &installation).unwrap();
    let objects = mail_store::plan::of(&store, &installation, &images().cyrus, "").unwrap();
    compare_text(Path::new("tests/golden/store-mail-1.yaml"), &yaml(&objects));
}
