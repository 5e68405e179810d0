//! The command line.

use clap::{Parser, Subcommand, ValueEnum};

use crate::lab::LabName;
use crate::network::{Line, Site};

/// Two data centres and a witness on one machine, each with a Kubernetes of its own.
///
/// A data centre is a set of namespaces with its own etcd, control plane, container runtime, node and pods; a bridge
/// in one more namespace is the line between them. Nothing of it can reach, or be reached from, outside this host.
#[derive(Debug, Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab", version, max_term_width = 100)]
pub struct Cli {
    /// Which lab. Up to sixteen run side by side.
    #[arg(
        long,
        env = "GOVUC_LAB",
        default_value = "govuc",
        global = true,
        value_name = "NAME"
    )]
    pub lab: LabName,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start both data centres and the witness; build what they run the first time.
    Up {
        /// Only etcd and the control planes, on loopback, as an ordinary user. Stays until Ctrl-C.
        #[arg(long)]
        api_only: bool,
    },
    /// Stop the lab and leave nothing of it behind.
    Down,
    /// Show sites, pods, faults, and what it takes of processors and memory.
    Status {
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
        /// How long to measure the processors, in seconds.
        #[arg(long, default_value_t = 2, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=600))]
        window: u16,
    },
    /// Cut a site off, or the line between two sites.
    Cut {
        /// A site, or two with a dash: pdsa1, pdsa1-witness
        line: Line,
    },
    /// Take back what `cut`, `loss` and `delay` did to a line, or to all lines.
    Heal {
        /// A site, or two with a dash; all lines when left out
        line: Option<Line>,
    },
    /// Pull a site's plug, or kill one of its programs.
    Kill {
        site: Site,
        /// A program, such as kube-apiserver, instead of everything
        program: Option<String>,
    },
    /// Start a killed site again with the disk it had, or one killed program.
    Revive { site: Site, program: Option<String> },
    /// Stop every process of a site where it stands.
    Freeze { site: Site },
    /// Let a frozen site go on.
    Thaw { site: Site },
    /// Lose packets of a line at random, in each direction.
    Loss {
        /// A site, or two with a dash
        line: Line,
        #[arg(value_parser = clap::value_parser!(u8).range(1..=100))]
        percent: u8,
    },
    /// Make a site's line slow.
    Delay {
        site: Site,
        /// Milliseconds in each direction, so that a round trip takes twice as much longer
        #[arg(value_parser = clap::value_parser!(u32).range(1..=60_000))]
        milliseconds: u32,
    },
    /// Run a command inside a site's machine: cargo lab exec pdsa1 -- ip route
    Exec {
        site: Site,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Open a shell in a site's machine, or in a store's pod: cargo lab shell pdsa1 store mail-1
    Shell {
        site: Site,
        #[command(subcommand)]
        place: Option<Place>,
    },
    /// Print the path of a kubeconfig with the contexts pdsa1 and pdsa2.
    Kubeconfig {
        /// As this user instead of the administrator; the certificate is made on the spot
        #[arg(long, value_parser = user_name)]
        user: Option<String>,
        /// The group the user is in
        #[arg(long, requires = "user")]
        group: Option<String>,
    },
    /// Build images and give them to the running sites.
    Images {
        /// Folders of images/; all of them when left out
        names: Vec<String>,
    },
    /// From nothing to mail between two agencies in two data centres, told step by step.
    Demo,
    /// Run the tests: all suites, or those named.
    Test {
        #[command(flatten)]
        choice: crate::suites::Choice,
    },
    /// Run what takes hours and write down every result; goes on where it was broken off.
    Campaign {
        #[arg(value_enum)]
        campaign: crate::suites::Campaign,
    },
    /// Measure, and write down every result; goes on where it was broken off.
    Bench {
        #[arg(value_enum)]
        bench: crate::suites::Bench,
    },
    /// Run a command beside two control planes without nodes, with KUBECONFIG set.
    #[command(hide = true)]
    ApiOnly {
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// The lab's own controllers, in a site's machine.
    #[command(hide = true)]
    Agent { site: Site },
    /// The process that makes a line slow.
    #[command(hide = true)]
    Relay { site: Site, milliseconds: u32 },
}

#[derive(Debug, Subcommand)]
pub enum Place {
    /// In the pod of a store
    Store { name: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    /// With one line for each program
    Wide,
    Json,
}

/// A user's name also names a file.
fn user_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@.:_-".contains(c);
    let fits = (1..=100).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('.');
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 100 of letters, digits and @ . : _ -".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_text_fits_a_hundred_columns() {
        let mut root = Cli::command();
        root.build();
        let names: Vec<String> = root
            .get_subcommands()
            .map(|command| command.get_name().to_owned())
            .collect();
        for name in names {
            let command = root.find_subcommand_mut(&name).unwrap();
            let help = command.render_long_help().to_string();
            assert!(
                help.lines().all(|line| line.chars().count() <= 100),
                "{name}:\n{help}"
            );
        }
    }

    #[test]
    fn a_line_that_does_not_exist_is_refused_with_those_that_do() {
        let error = Cli::try_parse_from(["cargo lab", "cut", "pdsa3"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("pdsa1-pdsa2"), "{error}");
        assert!(Cli::try_parse_from(["cargo lab", "loss", "pdsa1", "101"]).is_err());
    }

    #[test]
    fn a_user_can_not_name_a_file_elsewhere() {
        assert!(user_name("zainab@kkr.gov.my").is_ok());
        for wrong in ["../admin", "a/b", "", ".hidden"] {
            assert!(user_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
