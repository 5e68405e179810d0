//! All that needs no cluster.

// Everything here is a test, helpers too: clippy lets tests unwrap.
#![cfg(test)]

mod alerts;
mod api_server;
mod certificate_expiry;
mod command_line;
mod committed;
mod crds;
mod examples;
mod fakes;
mod fixtures;
mod golden;
mod golden_platform;
mod mailbox_lead;
mod mailboxes;
mod manifests;
mod merge_report;
mod mirror;
mod own_certificate;
mod reconcile_agency;
mod reconcile_mailbox;
mod reconcile_platform;
mod reconcile_store;
mod rights;
mod roles_formation;
