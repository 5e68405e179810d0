"""Figures, which no check asserts."""

import time

from client import Lmtp, message
from store import USER


def measure(store):
    """Prints how long an APPEND takes, and what ends the engine's waiting."""
    def appends(imap, count=200):
        times = []
        for _ in range(count):
            start = time.monotonic()
            imap.append("INBOX", message(store.unique(), 4000))
            times.append((time.monotonic() - start) * 1000)
        times.sort()
        half, most = times[count // 2], times[count * 95 // 100]
        return f"half within {half:.1f} ms, 95 % within {most:.1f} ms, all within {times[-1]:.1f} ms"

    imap = store.session()
    print("APPEND of 4 kB, synced:", appends(imap))
    store.relay.cut()
    print("APPEND of 4 kB, sync refused:", appends(imap, 50))
    store.relay.heal()
    start = time.monotonic()
    session = store.session()
    print(f"a session's login, APPEND, SELECT and STORE: {(time.monotonic() - start) * 1000:.1f} ms")
    for what, kept in (("in an open connection", True), ("from the greeting of a new one", False)):
        if not kept:
            store.relay.drop()
        store.relay.withhold()
        start = time.monotonic()
        tag = session.send(f"STORE * +FLAGS.SILENT ({store.unique()})")
        text = session.answer(tag, 60)
        spent = time.monotonic() - start
        print(f"withheld {what}:", f"answered after {spent:.2f} s" if text else f"silent for {spent:.0f} s")
        store.relay.release()
        text or session.answer(tag)
    for line in store.primary.logged("SYNCERROR")[-3:]:
        print("log:", line)
