//! The reference of `kubectl govuc` is what the command line says of itself.

use std::path::Path;

use clap_markdown::{MarkdownOptions, help_markdown_custom};
use govuc::plugin::cli::Arguments;

use crate::committed;

#[test]
fn the_reference_tells_of_every_command_and_option() {
    let options = MarkdownOptions::new()
        .title("kubectl govuc".to_owned())
        .show_footer(false)
        .show_table_of_contents(false);
    let page = help_markdown_custom::<Arguments>(&options);
    committed::compare_text(Path::new("docs/reference/kubectl-govuc.md"), &page);
}
