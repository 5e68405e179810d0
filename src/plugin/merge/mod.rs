//! `kubectl govuc merge report`: what the merge of a copy that was passed over has brought.

mod brought;
mod folder;
mod site;
mod sought;
mod table;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use govuc_api::Mailbox;
use kube::{Api, api::ListParams};

use self::{brought::Brought, site::Site, sought::Known, table::table};
use super::{
    contexts::{self, Context, ShowError},
    output::{self, Format},
};
use crate::controller::chain;

/// Mailboxes of an answer.
const PAGE: u32 = 500;

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what was brought to the primary, account by account. Needs the verbs get and create on pods/exec in govuc-mail.
    Report(Report),
}

#[derive(Args, Debug)]
struct Report {
    /// The store.
    store: String,
    /// The volume that was merged. The last one when left out; those that are found when nobody knows which that is.
    #[arg(long)]
    volume: Option<String>,
    /// Show each message as well. JSON and YAML always have them.
    #[arg(long)]
    messages: bool,
    /// Contexts of kubeconfig, separated by commas: a report is at the site that was primary at the merge. The current one when
    /// left out.
    #[arg(long, visible_alias = "context", value_delimiter = ',')]
    contexts: Vec<String>,
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

pub async fn run(arguments: Arguments) -> Result<(), ShowError> {
    let Command::Report(arguments) = arguments.command;
    report(arguments).await
}

async fn report(arguments: Report) -> Result<(), ShowError> {
    let store = arguments.store.as_str();
    let mut sites = Vec::new();
    let mut faults = Vec::new();
    for context in contexts::open(&arguments.contexts).await? {
        match Site::open(context, store).await {
            Ok(site) => sites.push(site),
            Err(error) => faults.push(chain(&error)),
        }
    }
    let known = Known::of(sites.iter().map(|site| &site.store));
    let wanted = known.volume(arguments.volume.as_deref());
    let mut reports = Vec::new();
    for site in &sites {
        let volumes = site.volumes.iter();
        for volume in volumes.filter(|volume| wanted.is_none_or(|wanted| wanted == *volume)) {
            match site.report(volume).await {
                Ok(text) => reports.push(Brought {
                    store: store.to_owned(),
                    volume: volume.clone(),
                    from: known.site(volume).map(str::to_owned),
                    site: site.name().map(str::to_owned),
                    context: site.context.name.clone(),
                    ..Brought::read(&text)
                }),
                Err(error) => faults.push(chain(&error)),
            }
        }
    }
    name_accounts(&sites, &mut reports).await;
    if let Some(note) = known.note(store, wanted) {
        eprintln!("{note}");
    }
    let asked: Vec<String> = sites.iter().map(Site::label).collect();
    let found: Vec<String> = sites.iter().flat_map(|site| site.volumes.clone()).collect();
    match wanted {
        _ if !reports.is_empty() => print(&arguments, &reports)?,
        Some(volume) if !sites.is_empty() && !found.iter().any(|found| found == volume) => {
            faults.push(sought::not_found(volume, &asked, &found));
        }
        None if faults.is_empty() => {
            print(&arguments, &reports)?;
            eprintln!("{}", sought::nothing(store, &asked));
        }
        _ => {}
    }
    contexts::all_seen(faults)
}

fn print(arguments: &Report, reports: &[Brought]) -> Result<(), output::Error> {
    let text: Vec<String> = reports
        .iter()
        .map(|brought| table(brought, arguments.messages))
        .collect();
    match arguments.output {
        None if text.is_empty() => Ok(()),
        format => output::print(format, &reports, &text.join("\n\n")),
    }
}

/// By the Mailboxes of the first cluster that shows them. Who may not list them sees ids.
async fn name_accounts(sites: &[Site], reports: &mut [Brought]) {
    let mut accounts = reports.iter().flat_map(|brought| &brought.accounts);
    if !accounts.any(|account| account.id.is_some()) {
        return;
    }
    let mut addresses = BTreeMap::new();
    let mut fault = None;
    for site in sites {
        match self::addresses(&site.context).await {
            Ok(found) => {
                (addresses, fault) = (found, None);
                break;
            }
            Err(error) => fault = fault.or(Some((site.context.label(), error))),
        }
    }
    if let Some((context, error)) = fault {
        eprintln!("accounts are shown by id: {context}: mailboxes can't be listed: {error}");
    }
    for brought in reports {
        brought.name_accounts(&addresses);
    }
}

/// Of accounts, by their id.
async fn addresses(context: &Context) -> Result<BTreeMap<String, String>, kube::Error> {
    let mailboxes: Api<Mailbox> = Api::all(context.client.clone());
    let mut addresses = BTreeMap::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = mailboxes.list(&page).await?;
        for mailbox in list.items {
            if let Some(granted) = mailbox.status.and_then(|status| status.granted) {
                addresses.insert(granted.account_id, mailbox.spec.address);
            }
        }
        match list.metadata.continue_ {
            Some(next) if !next.is_empty() => page = page.continue_token(&next),
            _ => return Ok(addresses),
        }
    }
}
