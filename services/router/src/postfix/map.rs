//! Postfix's maps as questions to the directory (`docs/architecture.md` §6).

use std::fmt;

use govuc_directory::{AccountRecord, Directory, Error};
use govuc_wire::names;

use super::Knowledge;
use crate::{primaries::Primaries, providers::Chain};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// Domains whose mail is accepted.
    Domains,
    /// Address → account at its store.
    Aliases,
    /// Store → where its primary listens.
    Transport,
    /// Address → who may send as it.
    Senders,
}

/// What Postfix is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Found(String),
    NotFound,
    /// Mail waits, and is not bounced.
    Later,
    /// The question itself is wrong; so is `main.cf`.
    Wrong,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Found(value) => write!(f, "OK {value}"),
            // The space is part of the protocol.
            Reply::NotFound => f.write_str("NOTFOUND "),
            Reply::Later => f.write_str("TEMP the directory can't be asked"),
            Reply::Wrong => f.write_str("PERM no such map"),
        }
    }
}

impl Map {
    fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "domains" => Map::Domains,
            "aliases" => Map::Aliases,
            "transport" => Map::Transport,
            "senders" => Map::Senders,
            _ => return None,
        })
    }

    fn label(self) -> &'static str {
        match self {
            Map::Domains => "domains",
            Map::Aliases => "aliases",
            Map::Transport => "transport",
            Map::Senders => "senders",
        }
    }

    /// Whether the directory could know this key at all. Postfix also asks for parts of an address and of a domain, and for
    /// the store addresses it was given by [`Map::Aliases`].
    fn may_know(self, key: &str) -> bool {
        match self {
            Map::Domains => !key.contains('@') && names::store_of_domain(key).is_none(),
            Map::Aliases | Map::Senders => key.split_once('@').is_some_and(|(local, domain)| {
                !local.is_empty() && !domain.is_empty() && names::store_of_domain(domain).is_none()
            }),
            Map::Transport => store_of(key).is_some(),
        }
    }

    async fn ask(
        self,
        key: &str,
        directory: Directory,
        primaries: &Primaries,
    ) -> Result<Option<String>, Error> {
        Ok(match self {
            Map::Domains => directory.agency_of_domain(key).await?.map(|_| "OK".to_owned()),
            Map::Aliases => account(key, &directory)
                .await?
                .map(|record| names::store_address(&record.account.id.to_string(), &record.account.store)),
            Map::Senders => account(key, &directory)
                .await?
                .map(|record| record.account.id.to_string()),
            Map::Transport => match store_of(key) {
                None => None,
                Some(store) => match directory.store(store).await? {
                    None => None,
                    Some(store) => {
                        let site = primaries.of(&store).await.site;
                        let server = names::server_name(&store.name, &site, names::MAIL_NAMESPACE);
                        Some(format!("lmtp:inet:[{server}]:{}", names::TLS_PORT))
                    }
                },
            },
        })
    }
}

/// The store of a recipient that [`Map::Aliases`] answered. Postfix asks a socket map of transports for whole addresses and
/// never for their domains alone.
fn store_of(key: &str) -> Option<&str> {
    names::store_of_domain(key.rsplit('@').next()?)
}

/// The living account of an address or alias.
async fn account(address: &str, directory: &Directory) -> Result<Option<AccountRecord>, Error> {
    let found = directory.account_by_address(address).await?;
    Ok(found.filter(|record| record.retain_until.is_none()))
}

/// Answers `<map> <key>`.
pub async fn lookup(request: &str, knowledge: &Knowledge) -> Reply {
    let Some((map, key)) = request
        .split_once(' ')
        .and_then(|(name, key)| Some((Map::of_name(name)?, key.to_lowercase())))
    else {
        tracing::error!("Postfix asked for a map that does not exist");
        return Reply::Wrong;
    };
    if !map.may_know(&key) {
        return Reply::NotFound;
    }
    let key = key.as_str();
    let primaries = &knowledge.primaries;
    let (reply, outcome) = match knowledge
        .providers
        .ask(|directory| async move { map.ask(key, directory, primaries).await })
        .await
    {
        Ok(Some(value)) => (Reply::Found(value), "found"),
        Ok(None) => (Reply::NotFound, "not_found"),
        Err(error) => {
            tracing::error!(map = map.label(), error = %Chain(&error), "Postfix must wait");
            (Reply::Later, "later")
        }
    };
    knowledge.metrics.looked_up(map.label(), outcome);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Map::Domains, "kkr.gov.my", true)]
    #[case(Map::Domains, "mail-1.store.govuc.internal", false)]
    #[case(Map::Aliases, "ali@kkr.gov.my", true)]
    #[case(Map::Aliases, "ali", false)]
    #[case(Map::Aliases, "@kkr.gov.my", false)]
    #[case(Map::Aliases, "3f@mail-1.store.govuc.internal", false)]
    #[case(Map::Senders, "ali@kkr.gov.my", true)]
    #[case(Map::Transport, "mail-1.store.govuc.internal", true)]
    #[case(Map::Transport, "3f@mail-1.store.govuc.internal", true)]
    #[case(Map::Transport, "kkr.gov.my", false)]
    #[case(Map::Transport, "*", false)]
    fn only_what_the_directory_could_know_is_asked(#[case] map: Map, #[case] key: &str, #[case] want: bool) {
        assert_eq!(map.may_know(key), want);
    }

    #[test]
    fn a_reply_begins_with_the_word_postfix_knows() {
        assert_eq!(Reply::Found("OK".into()).to_string(), "OK OK");
        assert_eq!(Reply::NotFound.to_string(), "NOTFOUND ");
        assert!(Reply::Later.to_string().starts_with("TEMP "));
        assert!(Reply::Wrong.to_string().starts_with("PERM "));
    }
}
