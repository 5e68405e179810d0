//! Committed files against what is generated.

use std::path::{Path, PathBuf};

use govuc::manifests::File;

/// Compares generated files with the committed ones of a folder. `GOVUC_WRITE=1` writes them instead.
pub fn compare(folder: &str, files: Vec<File>) {
    for file in files {
        compare_text(&Path::new(folder).join(file.name), &file.yaml().unwrap());
    }
}

/// Compares one text with a committed file.
pub fn compare_text(path: &Path, text: &str) {
    let path = root().join(path);
    if std::env::var_os("GOVUC_WRITE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{} is not what is generated now: {}\nIf the change is meant, run the test again with GOVUC_WRITE=1.",
        path.display(),
        first_difference(&committed, text)
    );
}

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn first_difference(committed: &str, generated: &str) -> String {
    let mut lines = committed.lines().zip(generated.lines()).enumerate();
    match lines.find(|(_, (old, new))| old != new) {
        Some((number, (old, new))) => format!("line {}: committed {old:?}, generated {new:?}", number + 1),
        None => "one is longer than the other".to_owned(),
    }
}
