//! cargo, as this program runs it, though cargo itself may have started this program.

use std::path::{Path, PathBuf};
use std::process::Command;

/// `cargo` with these arguments, in the repository.
pub fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = clean(Command::new(program));
    cargo.args(arguments).current_dir(repository());
    cargo
}

/// Without what `cargo run` tells the program it runs: build scripts would take it for a change and run again.
pub fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if told
            .iter()
            .any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
        {
            command.env_remove(name);
        }
    }
    command
}

/// The folder of the workspace.
pub fn repository() -> PathBuf {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
    lab.parent().unwrap_or(lab).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_outer_cargo_says_of_this_package_is_kept_from_the_inner_one() {
        // cargo runs this test, and tells it these.
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"] {
            assert!(std::env::var_os(name).is_some(), "{name} is not set");
            let cargo = cargo(&["build"]);
            let removed = cargo
                .get_envs()
                .any(|(changed, value)| changed == name && value.is_none());
            assert!(removed, "{name} is handed on");
        }
    }
}
