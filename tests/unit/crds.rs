//! `crds/` is what the types say.

use crate::committed;

#[test]
fn the_committed_kinds_are_what_the_types_generate() {
    committed::compare("crds", govuc::manifests::crds().unwrap());
}
