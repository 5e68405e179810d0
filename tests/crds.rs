//! `crds/` is what the types say.

mod support;

#[test]
fn the_committed_kinds_are_what_the_types_generate() {
    support::compare("crds", govuc::manifests::crds().unwrap());
}
