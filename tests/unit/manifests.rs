//! `manifests/` is what the installation says.

use std::path::Path;

use crate::committed;
use govuc::manifests::{Installation, installation};

#[test]
fn the_committed_installation_is_what_the_operator_generates() {
    let wanted = Installation::new("pdsa1".parse().unwrap(), Vec::new(), &[]).unwrap();
    committed::compare("manifests", installation(&wanted).unwrap());
}

#[test]
fn the_reference_tells_of_every_role_and_why_it_has_what_it_has() {
    committed::compare_text(
        Path::new("docs/reference/permissions.md"),
        &govuc::manifests::permissions(),
    );
}

#[test]
fn every_admission_policy_is_bound_under_its_own_name() {
    let wanted = Installation::new("pdsa1".parse().unwrap(), Vec::new(), &[]).unwrap();
    let files = installation(&wanted).unwrap();
    let admission = files.iter().find(|file| file.name == "admission.yaml").unwrap();
    let text = admission.yaml().unwrap();
    let count = |kind: &str| text.matches(&format!("kind: {kind}\n")).count();
    assert_eq!(
        count("ValidatingAdmissionPolicy"),
        count("ValidatingAdmissionPolicyBinding")
    );
    assert_eq!(
        text.matches("reason: Forbidden").count(),
        text.matches("messageExpression:").count()
    );
}

#[test]
fn an_image_can_be_replaced_by_name() {
    let images = vec![("cyrus".to_owned(), "registry/cyrus:1".to_owned())];
    let wanted =
        Installation::new("pdsa2".parse().unwrap(), images, &["registry/cyrus:0".to_owned()]).unwrap();
    let text: String = installation(&wanted)
        .unwrap()
        .iter()
        .map(|file| file.yaml().unwrap())
        .collect();
    assert!(text.contains("value: registry/cyrus:1") || text.contains("value: \"registry/cyrus:1\""));
    assert!(text.contains("localhost/govuc/postfix:dev"));
    assert!(text.contains("GOVUC_ENGINES") && text.contains("registry/cyrus:0"));
    assert!(text.contains("value: pdsa2"));
}
