"""One engine in namespaces of its own, with what the guard gives it: configuration, passwords, a log socket."""

import ctypes
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time

UID, GID = 900, 8
CLONE_NEWNET = 0x40000000
TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
PASSWORD = "secret"
libc = ctypes.CDLL(None, use_errno=True)

# Run by `unshare` in new mount, network, pid and ipc namespaces. Everything it mounts goes with the namespace.
INSIDE = r"""
set -eu
mount --make-rprivate /
mount -t tmpfs none "$WORK/over"
mkdir "$WORK/over/up" "$WORK/over/work" "$WORK/over/root"
mount -t overlay none -o "lowerdir=$LOWER,upperdir=$WORK/over/up,workdir=$WORK/over/work" "$WORK/over/root"
cd "$WORK/over/root"
mkdir -p var/lib/govuc run proc dev
mount --bind "$WORK/data" var/lib/govuc
mount -t tmpfs none run
mkdir run/cyrus
mount --bind "$WORK/run" run/cyrus
mount -t proc none proc
mount --bind /dev dev
mount -o remount,ro,bind .
chroot --userspec=900:8 --groups=8 . /usr/bin/env -i PATH=/usr/bin:/bin HOME=/ \
    LD_PRELOAD=/usr/lib/govuc/syslog.so /usr/lib/cyrus/bin/master
exit $?  # Process 1 stays this shell: one that changes its user would no longer end with its parent.
"""


def render(template, role, values):
    """The text of a template for `role`, as the guard renders it."""
    keep, out = True, []
    for line in open(os.path.join(TEMPLATES, template)):
        mark = re.fullmatch(r"\{\{([#/])(primary|follower)\}\}", line.strip())
        if mark:
            keep = mark[1] == "/" or mark[2] == role
        elif keep:
            out.append(re.sub(r"\{\{(\w+)\}\}", lambda m: values[m[1]], line))
    return "".join(out)


class Slot:
    def __init__(self, work, lower, role):
        self.role, self.work, self.lower = role, os.path.join(work, role), lower
        self.log, self.netns = [], None
        for folder in ("over", "data/cyrus/config/socket", "data/cyrus/spool", "data/cyrus/search", "run/proc",
                       "run/lock", "run/tmp", "run/socket", "run/saslauthd"):
            os.makedirs(os.path.join(self.work, folder))
        subprocess.run(["chown", "-R", f"{UID}:{GID}", self.work + "/data", self.work + "/run"], check=True)

    def start(self, **values):
        """Starts the engine and returns when it is ready."""
        values = dict(store="store-01", data="/var/lib/govuc/cyrus", run="/run/cyrus", **values)
        for name in ("imapd.conf", "cyrus.conf"):
            path = f"{self.work}/run/{name}"
            text = render(name + ".in", self.role, values)
            # The rolling client would bring to the follower later what an answer did not wait for.
            open(path, "w").write(re.sub(r".*sync_client -R.*\n", "", text))
            os.chown(path, UID, GID)
        self._serve_log()
        self._serve_passwords()
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--ipc", "--pid", "--fork", "--kill-child", "sh", "-c", INSIDE],
            env={"PATH": os.environ["PATH"], "WORK": self.work, "LOWER": self.lower})
        outside = os.stat("/proc/self/ns/net").st_ino
        wait_for(lambda: os.stat(f"/proc/{self.process.pid}/ns/net").st_ino != outside, "a network namespace")
        self.netns = os.open(f"/proc/{self.process.pid}/ns/net", os.O_RDONLY)
        self.within(raise_loopback)
        wait_for(lambda: os.path.exists(f"{self.work}/run/master.ready"), f"the engine of the {self.role}",
                 alive=self.process)

    def stop(self):
        if self.netns is not None:
            self.process.kill()
            self.process.wait()
            os.close(self.netns)

    def within(self, work):
        """Runs `work` in the slot's network namespace; what it opens stays there."""
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            setns(self.netns)
            return work()
        finally:
            setns(back)
            os.close(back)

    def program(self, *command):
        """Starts one of the engine's programs in the slot."""
        spaces = [f"--{kind}=/proc/{self.process.pid}/ns/{name}" for kind, name in (
            ("mount", "mnt"), ("net", "net"), ("ipc", "ipc"), ("pid", "pid_for_children"))]
        inside = ["chroot", f"--userspec={UID}:{GID}", f"--groups={GID}", f"{self.work}/over/root", "/usr/bin/env", "-i",
                  "PATH=/usr/bin:/bin:/usr/lib/cyrus/bin", "HOME=/", "LD_PRELOAD=/usr/lib/govuc/syslog.so", *command]
        return subprocess.Popen(["nsenter", *spaces, *inside], stdin=subprocess.DEVNULL)

    def connect(self, port, timeout=30):
        return self.within(lambda: socket.create_connection(("127.0.0.1", port), timeout))

    def logged(self, word):
        return [line for line in self.log if word in line]

    def _bind(self, name, kind):
        server = socket.socket(socket.AF_UNIX, kind)
        server.bind(f"{self.work}/run/{name}")
        os.chown(f"{self.work}/run/{name}", UID, GID)
        return server

    def _serve_log(self):
        server = self._bind("log", socket.SOCK_DGRAM)

        def loop():
            while True:
                self.log.append(f"{time.time():.3f} " + server.recv(65536).decode("utf-8", "replace"))
        threading.Thread(target=loop, daemon=True).start()

    def _serve_passwords(self):
        """saslauthd's protocol: four counted strings in, one out."""
        server = self._bind("saslauthd/mux", socket.SOCK_STREAM)
        server.listen(64)

        def answer(peer):
            with peer:
                stream = peer.makefile("rb")
                fields = []
                for _ in range(4):
                    size, = struct.unpack(">H", stream.read(2))
                    fields.append(stream.read(size).decode())
                text = b"OK" if fields[1] == PASSWORD else b"NO"
                peer.sendall(struct.pack(">H", len(text)) + text)

        def loop():
            while True:
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()
        threading.Thread(target=loop, daemon=True).start()


def setns(fd):
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def raise_loopback():
    import fcntl
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING


def wait_for(condition, what, seconds=30, alive=None):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end or (alive and alive.poll() is not None):
            raise RuntimeError(f"{what} did not come up")
        time.sleep(0.02)


def remove(folder):
    """What is mounted in it goes with the last process of its namespace, which may take a moment to end."""
    end = time.monotonic() + 10
    while os.path.exists(folder) and time.monotonic() < end:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)
