//! Every example is taken by the schema's rules, and means something to the operator.

use std::path::PathBuf;

use govuc::{agency::Tenant, mailbox::account::Wanted, platform::Installation};
use govuc_api::{Agency, Mailbox, Platform};
use kube::core::cel::validate_cel;

use crate::{committed::root, fixtures::example};

fn files(folder: &str) -> Vec<String> {
    let path = root().join("examples").join(folder);
    let mut files: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| {
            PathBuf::from(folder)
                .join(entry.unwrap().file_name())
                .display()
                .to_string()
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_platform_is_taken_and_is_one_for_either_site() {
    let mut platform: Platform = example("platform.yaml");
    validate_cel(&platform).unwrap();
    platform.metadata.uid = Some("uid".into());
    for site in ["pdsa1", "pdsa2"] {
        Installation::of(&platform, site).unwrap();
    }
}

#[test]
fn every_agency_is_taken_and_is_a_tenant() {
    let files = files("agencies");
    assert!(files.len() >= 2);
    for file in files {
        let mut agency: Agency = example(&file);
        validate_cel(&agency).unwrap_or_else(|error| panic!("{file}: {error:?}"));
        agency.metadata.uid = Some("uid".into());
        Tenant::of(&agency).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(
            agency.spec.approval.is_none(),
            "{file}: approval is never in a file"
        );
    }
}

#[test]
fn every_mailbox_is_taken_and_its_addresses_are_its_agencys() {
    let agencies: Vec<Agency> = files("agencies").iter().map(|file| example(file)).collect();
    let files = files("mailboxes");
    assert!(files.len() >= 4);
    for file in files {
        let mailbox: Mailbox = example(&file);
        validate_cel(&mailbox).unwrap_or_else(|error| panic!("{file}: {error:?}"));
        let wanted = Wanted::of(&mailbox).unwrap_or_else(|error| panic!("{file}: {error}"));
        let agency = agencies
            .iter()
            .find(|agency| agency.metadata.name.as_deref() == Some(wanted.agency.as_str()))
            .unwrap();
        for address in wanted.addresses() {
            let known = agency
                .spec
                .domains
                .iter()
                .any(|domain| domain.name == address.domain());
            assert!(known, "{file}: {address}");
        }
    }
}
