//! `crds/` and the kinds' reference are what the types say.

use std::path::Path;

use crate::committed;

#[test]
fn the_committed_kinds_are_what_the_types_generate() {
    committed::compare("crds", govuc::manifests::crds().unwrap());
}

#[test]
fn the_reference_tells_of_every_field_of_the_kinds() {
    for (name, page) in govuc::manifests::reference() {
        committed::compare_text(&Path::new("docs/reference").join(name), &page);
    }
}
