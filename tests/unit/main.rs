//! All that needs no cluster.

mod api_server;
mod committed;
mod crds;
mod examples;
mod fakes;
mod fixtures;
mod golden;
mod manifests;
mod reconcile_agency;
mod reconcile_mailbox;
