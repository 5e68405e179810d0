"""What `pair` does; see there."""

import os
import socket
import sys
import tempfile
import threading

from slot import remove
from store import Store


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for sock in (source, sink):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(slot, path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(16)

    def accept():
        while True:
            outside = listener.accept()[0]
            inside = slot.connect(1143)
            inside.settimeout(None)
            for ends in ((outside, inside), (inside, outside)):
                threading.Thread(target=pump, args=ends, daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


def main():
    rootfs, folder = sys.argv[1:]
    work = tempfile.mkdtemp(prefix="govuc-cyrus-", dir="/var/tmp")
    store = Store(work, rootfs)
    try:
        store.start()
        for slot in (store.primary, store.follower):
            serve(slot, os.path.join(folder, slot.role))
        print("ready", flush=True)
        tasks = {"cut": store.relay.cut, "heal": store.relay.heal, "full-sync": store.full_sync,
                 "replay-log": store.replay_log}
        for line in sys.stdin:
            ended = tasks[line.strip()]() or 0
            print("ok" if ended == 0 else f"exit code {ended}", flush=True)
    finally:
        store.stop()
        remove(work)


if __name__ == "__main__":
    main()
