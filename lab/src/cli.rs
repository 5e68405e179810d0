//! The command line.

use clap::{Parser, Subcommand};

use crate::lab::LabName;
use crate::network::Site;

/// Two data centres and a witness on one machine, each a set of namespaces with a Kubernetes of its own.
#[derive(Debug, Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab", version, max_term_width = 100)]
pub struct Cli {
    /// Which lab. Up to sixteen run side by side.
    #[arg(long, env = "GOVUC_LAB", default_value = "govuc", global = true)]
    pub lab: LabName,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start both data centres and the witness; builds what they run the first time.
    Up,
    /// Stop the lab and leave nothing of it behind.
    Down,
    /// Run a command inside a site's machine.
    Exec {
        site: Site,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Print the path of a kubeconfig with the contexts pdsa1 and pdsa2.
    Kubeconfig {
        /// As this user instead of the administrator; the certificate is made on the spot.
        #[arg(long)]
        user: Option<String>,
        /// The group the user is in.
        #[arg(long, requires = "user")]
        group: Option<String>,
    },
    /// The lab's own controllers, in a site's machine.
    #[command(hide = true)]
    Agent { site: Site },
}
