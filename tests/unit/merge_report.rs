//! `kubectl govuc merge report`, run as people run it, beside API servers of a few lines that exec as real ones do.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output, Stdio},
    sync::Arc,
    thread,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::{Value, json};

const REPORT: &str = r#"{"what":"begun","era":2,"term":5,"at":1795755600}
{"what":"appended","owner":"3f","guid":"0123456789abcdef0123456789abcdef01234567","from":"user.3f","to":"user.3f","recovered":false}
{"what":"ended","folders":0,"messages":1,"known":71,"expunged":4,"at":1795755720}
"#;

/// A site's cluster.
#[derive(Clone)]
struct Cluster {
    site: &'static str,
    /// Of the last merge.
    merged: Option<&'static str>,
    /// What the guard has reports of.
    reports: Vec<(&'static str, &'static str)>,
    guard: Guard,
    shows_mailboxes: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Guard {
    Answers,
    /// Of before the command.
    Outdated,
    /// The connection ends in the middle of a report.
    BreaksOff,
}

impl Cluster {
    fn new(site: &'static str, reports: &[(&'static str, &'static str)]) -> Self {
        Self {
            site,
            merged: None,
            reports: reports.to_vec(),
            guard: Guard::Answers,
            shows_mailboxes: true,
        }
    }

    /// Its port.
    fn start(self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cluster = Arc::new(self);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let cluster = cluster.clone();
                thread::spawn(move || cluster.answer(stream.unwrap()));
            }
        });
        port
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            match line.unwrap() {
                line if line.is_empty() => break,
                line => head.push(line),
            }
        }
        let Some(request) = head.first() else { return };
        let path = request.split(' ').nth(1).unwrap();
        if let Some((_, query)) = path.split_once("/pods/mail-1-0/exec?") {
            assert!(query.contains("container=guard"), "{query}");
            let words: Vec<&str> = query
                .split('&')
                .filter_map(|pair| pair.strip_prefix("command="))
                .collect();
            assert_eq!(words[..2], ["%2Fusr%2Fbin%2Fgovuc-guard", "merges"]);
            return self.exec(stream, &head, words.get(2).copied());
        }
        let (code, body) = if path.contains("/mailstores/mail-1") {
            (200, self.store())
        } else if path.contains("/mailboxes") && self.shows_mailboxes {
            (200, mailboxes())
        } else {
            let message = "mailboxes is forbidden";
            let body = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Forbidden",
                "code": 403, "message": message,
            });
            (403, body)
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    }

    fn exec(&self, mut stream: TcpStream, head: &[String], volume: Option<&str>) {
        let key = head
            .iter()
            .find_map(|line| {
                line.to_lowercase()
                    .starts_with("sec-websocket-key:")
                    .then(|| &line[18..])
            })
            .unwrap();
        let accepted = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key.trim());
        let accepted = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, accepted.as_bytes()));
        let head = format!(
            "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accepted}\r\n\
             Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let exit = |code: &str| {
            json!({
                "status": "Failure", "reason": "NonZeroExitCode",
                "details": {"causes": [{"reason": "ExitCode", "message": code}]},
            })
        };
        let mut send = |channel: u8, content: &[u8]| {
            let length = u16::try_from(content.len() + 1).unwrap().to_be_bytes();
            let frame = [&[0x82, 126, length[0], length[1], channel][..], content].concat();
            stream.write_all(&frame).unwrap();
        };
        let status = match (self.guard, volume) {
            (Guard::Outdated, _) => {
                send(2, b"error: unrecognized subcommand 'merges'\n");
                exit("2")
            }
            (_, None) => {
                for (volume, _) in &self.reports {
                    send(1, format!("{volume}\n").as_bytes());
                }
                json!({"status": "Success"})
            }
            (guard, Some(volume)) => {
                let (_, text) = self.reports.iter().find(|(known, _)| *known == volume).unwrap();
                let (first, second) = text.as_bytes().split_at(text.len() / 2);
                send(1, first);
                if guard == Guard::BreaksOff {
                    return;
                }
                send(1, second);
                json!({"status": "Success"})
            }
        };
        send(3, status.to_string().as_bytes());
        stream.write_all(&[0x88, 2, 3, 0xe8]).unwrap();
        // Until the other side has closed too.
        let _ = stream.read_to_end(&mut Vec::new());
    }

    fn store(&self) -> Value {
        let mut recorded = json!({"era": 2, "term": 6, "leased": true, "paired": true});
        if let Some(volume) = self.merged {
            recorded["merged"] = json!({
                "site": "pdsa2", "volume": volume, "folders": 0, "messages": 1, "known": 71, "expunged": 4,
            });
        }
        json!({
            "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "mail-1"},
            "spec": {"preferredSite": "pdsa1"},
            "status": {"recorded": recorded, "sites": [{"name": self.site, "state": "Paired"}]},
        })
    }
}

fn mailboxes() -> Value {
    json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailboxList", "metadata": {},
        "items": [{
            "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Mailbox",
            "metadata": {"name": "ali", "namespace": "agency-kkr"},
            "spec": {"type": "Individual", "address": "ali@kkr.gov.my"},
            "status": {"granted": {"accountId": "3f", "store": "mail-1"}},
        }],
    })
}

/// Asks clusters whose contexts are called by their site.
fn report(clusters: &[Cluster], more: &[&str]) -> Output {
    let named = |kind: &str, part: &dyn Fn(&Cluster) -> Value| -> Vec<Value> {
        let entries = clusters.iter();
        entries
            .map(|cluster| json!({"name": cluster.site, kind: part(cluster)}))
            .collect()
    };
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": named("cluster", &|cluster| {
            json!({"server": format!("http://127.0.0.1:{}", cluster.clone().start())})
        }),
        "users": named("user", &|_| json!({})),
        "contexts": named("context", &|cluster| json!({"cluster": cluster.site, "user": cluster.site})),
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), kubeconfig.to_string()).unwrap();
    let contexts: Vec<&str> = clusters.iter().map(|cluster| cluster.site).collect();
    // One that waits for ever has failed.
    Command::new("timeout")
        .args(["60", env!("CARGO_BIN_EXE_kubectl-govuc")])
        .args(["merge", "report", "mail-1", "--contexts", &contexts.join(",")])
        .args(more)
        .env("KUBECONFIG", file.path())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
fn printed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", complained(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complained(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn refused(output: &Output, says: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", complained(output));
    assert!(complained(output).contains(says), "{}", complained(output));
    assert!(output.stdout.is_empty());
}

/// The store is at pdsa1 again, and the report where it was at the merge.
fn merged_at_pdsa2() -> [Cluster; 2] {
    let last = |cluster| Cluster {
        merged: Some("last"),
        ..cluster
    };
    [
        last(Cluster::new("pdsa1", &[("earlier", "")])),
        last(Cluster::new("pdsa2", &[("last", REPORT)])),
    ]
}

#[test]
fn the_report_of_the_last_merge_is_found_at_whichever_site_has_it() {
    let data: Value = serde_json::from_str(&printed(&report(&merged_at_pdsa2(), &["-o", "json"]))).unwrap();
    let [found] = &data.as_array().unwrap()[..] else {
        panic!("{data}");
    };
    assert_eq!(
        (&found["site"], &found["context"]),
        (&json!("pdsa2"), &json!("pdsa2"))
    );
    assert_eq!(
        (&found["volume"], &found["from"]),
        (&json!("last"), &json!("pdsa2"))
    );
    assert_eq!(found["ended"]["at"], "2026-11-27T05:02:00Z");
    let account = &found["accounts"][0];
    assert_eq!(account["address"], "ali@kkr.gov.my");
    assert_eq!(
        account["folders"][0]["messages"][0]["guid"],
        "0123456789abcdef0123456789abcdef01234567"
    );

    let text = printed(&report(&merged_at_pdsa2(), &["--messages"]));
    for line in [
        "Volume    last of pdsa2",
        "Report    at pdsa2 (context pdsa2)",
        "       1          -     -  ali@kkr.gov.my",
        "    0123456789abcdef0123456789abcdef01234567  INBOX",
    ] {
        assert!(text.lines().any(|it| it == line), "without {line:?}: {text}");
    }
}

#[test]
fn another_merge_is_shown_by_its_volume_and_one_that_nobody_has_is_not() {
    let clusters = merged_at_pdsa2();
    let text = printed(&report(&clusters, &["--volume", "earlier"]));
    assert!(
        text.contains("Volume    earlier\n") && text.contains("at pdsa1"),
        "{text}"
    );
    refused(
        &report(&clusters, &["--volume", "gone"]),
        "volume gone is not at pdsa1 or pdsa2; there are those of earlier, last",
    );
    refused(&report(&clusters[..1], &[]), "ask both sites with --contexts A,B");
}

#[test]
fn what_nobody_recorded_is_shown_if_it_is_there_and_nothing_is_no_error() {
    let found = Cluster::new("pdsa1", &[("a", REPORT), ("b", REPORT)]);
    let text = printed(&report(&[found], &[]));
    assert!(
        text.contains("Volume    a\n") && text.contains("Volume    b\n"),
        "{text}"
    );
    let nothing = [Cluster::new("pdsa1", &[]), Cluster::new("pdsa2", &[])];
    let output = report(&nothing, &[]);
    assert_eq!(printed(&output), "");
    assert_eq!(
        complained(&output),
        "No merge found: mail-1 has no report of one at pdsa1 and pdsa2\n"
    );
    assert_eq!(printed(&report(&nothing, &["-o", "json"])), "[]\n");
}

#[test]
fn a_site_that_does_not_answer_hides_nothing_of_the_other_and_is_told_of() {
    let [mut away, has_it] = merged_at_pdsa2();
    away.guard = Guard::Outdated;
    let output = report(&[away.clone(), has_it.clone()], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("at pdsa2"));
    assert!(complained(&output).contains("pdsa1: the guard in pod mail-1-0 is of a version"));
    refused(&report(&[away], &[]), "has no command merges");
}

#[test]
fn half_a_report_is_none() {
    let [_, mut half] = merged_at_pdsa2();
    half.guard = Guard::BreaksOff;
    refused(
        &report(&[half], &[]),
        "pdsa2: the answer of pod mail-1-0 broke off",
    );
}

#[test]
fn accounts_have_their_ids_when_mailboxes_may_not_be_listed() {
    let [_, mut shy] = merged_at_pdsa2();
    shy.shows_mailboxes = false;
    let output = report(&[shy], &[]);
    assert!(printed(&output).contains("       1          -     -  3f\n"));
    assert!(complained(&output).contains("accounts are shown by id: pdsa2"));
}
