//! What a report says, account by account: pure.

use std::collections::BTreeMap;

use govuc_wire::merge_report::{Counts, Line};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use serde::Serialize;

use super::folder;

/// What the merge of one volume has brought, by the report at one site.
#[derive(Serialize, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Brought {
    pub store: String,
    /// The volume that was merged.
    pub volume: String,
    /// The site it was at, if the store still says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The site of the report: the primary's when it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The context it was read by; the current one when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    pub attempts: Vec<Attempt>,
    /// None as long as something may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// In all attempts.
    pub messages: usize,
    /// Of them those that could not go where they had been.
    pub recovered: usize,
    pub folders_made: usize,
    pub accounts: Vec<Account>,
    /// Numbers of lines that make no sense, from 1 on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable_lines: Vec<usize>,
}

#[derive(Serialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    pub era: u64,
    pub term: u64,
    /// Guards of before did not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// Everything was there.
#[derive(Serialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Of the last attempt alone.
    #[serde(flatten)]
    pub counts: Counts,
}

#[derive(Serialize, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// None of folders that are no account's.
    pub id: Option<String>,
    /// Of its Mailbox, if that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    pub messages: usize,
    pub recovered: usize,
    pub folders_made: usize,
    pub folders: Vec<Folder>,
}

/// A folder of the primary.
#[derive(Serialize, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Folder {
    /// As its people see it.
    pub folder: String,
    /// As Cyrus has it inside.
    pub name: String,
    /// The folder of the copy that it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_for: Option<String>,
    pub messages: Vec<Message>,
}

#[derive(Serialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// SHA-1 of it.
    pub guid: String,
    /// Its folder at the copy, as its people see it.
    pub from: String,
    pub to: String,
    pub recovered: bool,
}

impl Brought {
    /// Of the lines of a report. Whose and where it is, is not in them.
    pub fn read(text: &str) -> Self {
        let mut brought = Self::default();
        let mut accounts: BTreeMap<Option<String>, BTreeMap<String, Folder>> = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            match serde_json::from_str(line) {
                Ok(Line::Begun { era, term, at }) => {
                    let at = at.and_then(time);
                    brought.attempts.push(Attempt { era, term, at });
                }
                Ok(Line::Ended { counts, at }) => {
                    let at = at.and_then(time);
                    brought.ended = Some(Ended { at, counts });
                }
                Ok(Line::Made { owner, folder, of }) => {
                    let of = folder::shown(&of, owner.as_deref());
                    place(&mut accounts, owner, folder).made_for = Some(of);
                }
                Ok(Line::Appended {
                    owner,
                    guid,
                    from,
                    to,
                    recovered,
                }) => {
                    let from = folder::shown(&from, owner.as_deref());
                    let folder = place(&mut accounts, owner, to);
                    folder.messages.push(Message {
                        guid,
                        from,
                        to: folder.folder.clone(),
                        recovered,
                    });
                }
                Err(_) if line.is_empty() => {}
                Err(_) => brought.unreadable_lines.push(number + 1),
            }
        }
        brought.accounts = accounts
            .into_iter()
            .map(|(id, folders)| Account::of(id, folders))
            .collect();
        let sum = |count: fn(&Account) -> usize| brought.accounts.iter().map(count).sum();
        brought.messages = sum(|account| account.messages);
        brought.recovered = sum(|account| account.recovered);
        brought.folders_made = sum(|account| account.folders_made);
        brought
    }

    /// Says whose the accounts are, and puts them in the order of that; what is no account's is last.
    pub fn name_accounts(&mut self, addresses: &BTreeMap<String, String>) {
        for account in &mut self.accounts {
            let id = account.id.as_ref();
            account.address = id.and_then(|id| addresses.get(id)).cloned();
        }
        self.accounts.sort_by_key(|account| {
            let label = account.address.clone().or(account.id.clone());
            (label.is_none(), label)
        });
    }
}

impl Account {
    fn of(id: Option<String>, folders: BTreeMap<String, Folder>) -> Self {
        let folders: Vec<Folder> = folders.into_values().collect();
        Self {
            id,
            address: None,
            messages: folders.iter().map(|folder| folder.messages.len()).sum(),
            recovered: folders.iter().map(Folder::recovered).sum(),
            folders_made: folders.iter().filter(|folder| folder.made_for.is_some()).count(),
            folders,
        }
    }
}

impl Folder {
    /// How many of its messages could not go where they had been.
    pub fn recovered(&self) -> usize {
        self.messages.iter().filter(|message| message.recovered).count()
    }
}

fn place(
    accounts: &mut BTreeMap<Option<String>, BTreeMap<String, Folder>>,
    owner: Option<String>,
    name: String,
) -> &mut Folder {
    let shown = folder::shown(&name, owner.as_deref());
    let folders = accounts.entry(owner).or_default();
    folders.entry(name.clone()).or_insert_with(|| Folder {
        folder: shown,
        name,
        ..Folder::default()
    })
}

fn time(seconds: u64) -> Option<Time> {
    let seconds = i64::try_from(seconds).ok()?;
    Timestamp::from_second(seconds).ok().map(Time)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// Two attempts, of which the first broke off in the middle of a line.
    pub const REPORT: &str = r#"{"what":"begun","era":2,"term":5,"at":1795755600}
{"what":"appended","owner":"3f","guid":"0123456789abcdef0123456789abcdef01234567","from":"user.3f","to":"user.3f","recovered":false}
{"what":"made","owner":"3f","folder":"user.3f.Dipulihkan.Projek^1","of":"user.3f.Projek^1"}
{"what":"appended","owner":"3f","gu
{"what":"begun","era":2,"term":6,"at":1795755660}
{"what":"appended","owner":"3f","guid":"1123456789abcdef0123456789abcdef01234567","from":"user.3f.Projek^1","to":"user.3f.Dipulihkan.Projek^1","recovered":true}
{"what":"appended","owner":"3f","guid":"2123456789abcdef0123456789abcdef01234567","from":"user.3f.Projek^1","to":"user.3f.Dipulihkan.Projek^1","recovered":true}
{"what":"appended","owner":"1a","guid":"3123456789abcdef0123456789abcdef01234567","from":"user.1a.Sent","to":"user.1a.Hantar","recovered":false}
{"what":"made","owner":null,"folder":"team.a","of":"team.a"}
{"what":"ended","folders":1,"messages":3,"known":71,"expunged":4,"at":1795755720}
"#;

    #[test]
    fn all_attempts_are_summed_up_and_a_line_that_makes_no_sense_is_told() {
        let brought = Brought::read(REPORT);
        assert_eq!(
            (brought.messages, brought.recovered, brought.folders_made),
            (4, 2, 2)
        );
        assert_eq!(brought.unreadable_lines, [4]);
        let terms: Vec<u64> = brought.attempts.iter().map(|attempt| attempt.term).collect();
        assert_eq!(terms, [5, 6]);
        assert_eq!(brought.ended.as_ref().unwrap().counts.known, 71);
        let sums: Vec<_> = brought
            .accounts
            .iter()
            .map(|account| {
                (
                    account.id.as_deref(),
                    account.messages,
                    account.recovered,
                    account.folders_made,
                )
            })
            .collect();
        assert_eq!(
            sums,
            [(None, 0, 0, 1), (Some("1a"), 1, 0, 0), (Some("3f"), 3, 2, 1)]
        );
    }

    #[test]
    fn as_data_it_has_every_message_and_both_names_of_a_folder() {
        let mut brought = Brought::read(REPORT);
        brought.name_accounts(&BTreeMap::from([("3f".into(), "ali@kkr.gov.my".into())]));
        let data = serde_json::to_value(&brought).unwrap();
        let labels: Vec<_> = data["accounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["id"])
            .collect();
        assert_eq!(labels, [&json!("1a"), &json!("3f"), &json!(null)]);
        let account = &data["accounts"][1];
        assert_eq!(account["address"], "ali@kkr.gov.my");
        assert_eq!(account["folders"][1]["folder"], "Dipulihkan/Projek.1");
        assert_eq!(account["folders"][1]["name"], "user.3f.Dipulihkan.Projek^1");
        assert_eq!(
            account["folders"][1]["messages"][1],
            json!({
                "guid": "2123456789abcdef0123456789abcdef01234567", "from": "Projek.1",
                "to": "Dipulihkan/Projek.1", "recovered": true,
            })
        );
        assert_eq!(
            data["ended"],
            json!({
                "at": "2026-11-27T05:02:00Z", "folders": 1, "messages": 3, "known": 71, "expunged": 4,
            })
        );
    }

    #[test]
    fn a_report_of_a_guard_of_before_has_no_times() {
        let brought = Brought::read(
            "{\"what\":\"begun\",\"era\":2,\"term\":5}\n\
             {\"what\":\"ended\",\"folders\":0,\"messages\":0,\"known\":3,\"expunged\":0}\n",
        );
        assert_eq!(brought.attempts[0].at, None);
        assert_eq!(brought.ended.unwrap().at, None);
        assert!(brought.accounts.is_empty() && brought.unreadable_lines.is_empty());
    }
}
