//! A program in the root file system of Cyrus' image, which the lab names in `GOVUC_CYRUS_ROOT`, with folders as the pod has
//! them: what lasts on a disk, what need not last in memory.

use std::{
    env, fs,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

const USER: u32 = 900;
const GROUP: u32 = 8;
/// For a program to be ready, and two copies to be in step.
const PATIENCE: Duration = Duration::from_secs(120);

/// Run in namespaces of its own, with which all that it mounts goes.
const INSIDE: &str = r#"
set -eu
mount --make-rprivate /
mount -t tmpfs none "$DISK/over"
mkdir "$DISK/over/up" "$DISK/over/work" "$DISK/over/root"
mount -t overlay none \
    -o "lowerdir=$IMAGE,upperdir=$DISK/over/up,workdir=$DISK/over/work" "$DISK/over/root"
cd "$DISK/over/root"
mkdir -p var/lib/govuc run proc dev etc/govuc
# In the pod an engine is dialled at an address that has a name. Here nobody is to be asked for one.
echo 'hosts: files' > etc/nsswitch.conf
mount --bind "$DISK/data" var/lib/govuc
mount -t tmpfs none run
mkdir run/cyrus
mount --bind "$MEMORY/run" run/cyrus
mount --bind "$DISK/etc" etc/govuc
mount --bind "$GUARD" usr/bin/govuc-guard
mount -t proc none proc
mount --bind /dev dev
chroot --userspec=900:8 --groups=8 . /usr/bin/env -i PATH=/usr/bin:/bin HOME=/ \
    LD_PRELOAD=/usr/lib/govuc/syslog.so "$@"
exit $?  # Process 1 stays this shell: one that changes its user would not end with its parent.
"#;

/// One slot of a store. Dropped, it ends with all that runs in it.
pub struct Container {
    /// Its own on loopback. All slots share one network, with the same kernel between them.
    pub address: IpAddr,
    disk: TempDir,
    memory: TempDir,
    child: Option<Child>,
}

impl Container {
    /// Nothing runs in it yet.
    pub fn new() -> Self {
        let folder = |parent: &Path| {
            tempfile::Builder::new()
                .prefix("govuc-")
                .tempdir_in(parent)
                .unwrap()
        };
        let container = Self {
            address: own(),
            // Beside the image, which goes with whoever has unpacked it, also when this process is killed.
            disk: folder(image().parent().unwrap()),
            memory: folder(Path::new("/dev/shm")),
            child: None,
        };
        for folder in [container.disk.path(), container.memory.path()] {
            chown(folder, Some(USER), Some(GROUP)).unwrap();
        }
        fs::create_dir(container.disk.path().join("over")).unwrap();
        for folder in [container.data(), container.run(), container.etc()] {
            container.folder(&folder);
        }
        container
    }

    /// `/var/lib/govuc`.
    pub fn data(&self) -> PathBuf {
        self.disk.path().join("data")
    }

    /// `/run/cyrus`.
    pub fn run(&self) -> PathBuf {
        self.memory.path().join("run")
    }

    /// `/etc/govuc`.
    pub fn etc(&self) -> PathBuf {
        self.disk.path().join("etc")
    }

    /// Makes a folder of these.
    pub fn folder(&self, path: &Path) {
        fs::create_dir_all(path).unwrap();
        self.give(path);
    }

    /// Writes a file of these.
    pub fn file(&self, path: &Path, content: impl AsRef<[u8]>) {
        self.folder(path.parent().unwrap());
        fs::write(path, content).unwrap();
        self.give(path);
    }

    /// Makes it the slot's own.
    pub fn give(&self, path: &Path) {
        chown(path, Some(USER), Some(GROUP)).unwrap();
    }

    /// Starts the program; what it says is kept.
    pub fn start(&mut self, program: &[&str]) {
        let log = fs::File::create(self.log()).unwrap();
        // Ends with the thread that starts it, whatever becomes of this process.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare"])
            .args(["--mount", "--ipc", "--pid", "--fork", "--kill-child"])
            .args(["sh", "-c", INSIDE, "sh"])
            .args(program)
            .env("DISK", self.disk.path())
            .env("MEMORY", self.memory.path())
            .env("IMAGE", image())
            .env("GUARD", env!("CARGO_BIN_EXE_govuc-guard"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("setpriv (package util-linux) starts");
        self.child = Some(child);
    }

    /// Polls until `look` is true.
    ///
    /// # Panics
    /// With what the program has said when it does not become so.
    pub fn wait_for(&self, what: &str, mut look: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !look() {
            assert!(begun.elapsed() < PATIENCE, "{what}: not yet\n{}", self.said());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// All of it.
    pub fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.disk.path().join("log")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn image() -> PathBuf {
    env::var_os("GOVUC_CYRUS_ROOT").expect("GOVUC_CYRUS_ROOT").into()
}

/// An address that nobody else has, of those that connections never begin at.
fn own() -> IpAddr {
    static GIVEN: AtomicU8 = AtomicU8::new(1);
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    let host = GIVEN.fetch_add(1, Ordering::Relaxed);
    Ipv4Addr::new(127, 192 + high % 63, low, host).into()
}
