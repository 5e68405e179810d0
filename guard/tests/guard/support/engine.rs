//! An engine of a few lines: it greets, keeps what it is sent, and answers every line with `OK <line>`, and who asks what it
//! has, that it has nothing but what a test has given it.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

const COMMANDS: [&str; 5] = ["LOGIN", "LIST", "SYNCGET", "SYNCAPPLY", "SYNCRESTORE"];

/// Where it listens lives in the test's process; the guard starts a `master` that only waits.
pub struct Engine {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    lines: Mutex<Vec<String>>,
    open: Mutex<Vec<TcpStream>>,
    has: Mutex<Vec<Has>>,
}

/// A line that it says to who asks so.
struct Has {
    asked: &'static str,
    line: &'static str,
    /// Only once something was said to it that has this in it.
    after: &'static str,
}

impl Engine {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, serving) = (stream.unwrap(), serving.clone());
                thread::spawn(move || serving.talk(stream));
            }
        });
        Self { address, shared }
    }

    pub fn lines(&self) -> Vec<String> {
        self.shared.lines.lock().unwrap().clone()
    }

    /// Whoever asks what begins with `asked` is told this line, once it was said something with `after` in it.
    pub fn has(&self, asked: &'static str, line: &'static str, after: &'static str) {
        self.shared.has.lock().unwrap().push(Has { asked, line, after });
    }

    /// Writes to every connection that is open; true if there was one.
    pub fn say(&self, text: &str) -> bool {
        let mut open = self.shared.open.lock().unwrap();
        open.retain_mut(|stream| stream.write_all(text.as_bytes()).is_ok());
        !open.is_empty()
    }

    /// The programs a guard starts. `sync_client` opens a sync connection through the relay, says who it is, and is
    /// done when it is answered.
    pub fn install(folder: &Path) {
        let program = |name: &str, script: &str| {
            let path = folder.join(name);
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        };
        std::fs::create_dir_all(folder).unwrap();
        program(
            "master",
            "#!/bin/sh\ntrap 'exit 0' TERM\necho $$ > \"${2%/*}/master.pid\"\nwhile kill -0 $PPID 2> /dev/null; do sleep 0.1; done\n",
        );
        program(
            "sync_client",
            r#"#!/bin/bash
port=$(sed -n "s/^$4_sync_port: //p" "$2")
exec 3<>/dev/tcp/127.0.0.1/$port || exit 1
read -t 10 -r greeting <&3 || exit 1
printf 'S1 full sync\r\n' >&3
read -t 10 -r answer <&3 || exit 1
[[ $answer == "OK S1"* ]] || exit 1
printf 'S2 LOGOUT\r\n' >&3
read -t 10 -r answer <&3
"#,
        );
    }
}

impl Shared {
    fn told(&self, asked: &str) -> String {
        let lines = self.lines.lock().unwrap();
        let has = self.has.lock().unwrap();
        let told = has.iter().filter(|has| {
            asked.starts_with(has.asked)
                && (has.after.is_empty() || lines.iter().any(|line| line.contains(has.after)))
        });
        told.map(|has| format!("* {}\r\n", has.line)).collect()
    }

    fn talk(&self, mut stream: TcpStream) {
        if stream.write_all(b"* OK ready\r\n").is_err() {
            return;
        }
        self.open.lock().unwrap().push(stream.try_clone().unwrap());
        let reader = BufReader::new(stream.try_clone().unwrap());
        for line in reader.lines().map_while(Result::ok) {
            // What it has, as a hand-over and a merge ask.
            let answer = match line.split_once(' ') {
                Some((tag, "LOGOUT")) => format!("* BYE\r\n{tag} OK\r\n"),
                Some((tag, asked)) if COMMANDS.iter().any(|known| asked.starts_with(known)) => {
                    format!("{}{tag} OK\r\n", self.told(asked))
                }
                _ => format!("OK {line}\r\n"),
            };
            self.lines.lock().unwrap().push(line);
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}
