"""The checks that `run` calls; see there."""

import argparse
import sys
import tempfile
import time

from client import Imap, Lmtp, message
from relay import Relay
from slot import PASSWORD, Slot, remove

PORT = 1150
USER = "3f0c2a10-5f0e-4c1b-9d2a-0123456789ab"
INBOX = f"user/{USER}"
SILENT = 0.7  # seconds without an answer that count as waiting; an answer without sync takes a few milliseconds
CHECKS = []


def check(test):
    CHECKS.append(test)
    return test


class Store:
    """Both slots and the relay between them."""

    def __init__(self, work, lower):
        self.follower, self.primary = Slot(work, lower, "follower"), Slot(work, lower, "primary")
        self.serial = 0

    def start(self):
        values = dict(sync_port=str(PORT), sync_password=PASSWORD)
        self.follower.start(**values)
        self.primary.start(**values)
        self.relay = Relay(self.primary, self.follower, PORT)
        admin = Imap(self.primary, "govuc-operator")
        admin.run(f"CREATE {INBOX}")
        admin.run(f"CREATE {INBOX}/Other")
        admin.run(f"SETQUOTA {INBOX} (STORAGE 100000)")
        admin.run("LOGOUT")

    def stop(self):
        self.primary.stop()
        self.follower.stop()

    def unique(self):
        self.serial += 1
        return f"s{self.serial}"

    def session(self):
        """A session with INBOX selected whose process has its connection to the follower, as any that is busy has."""
        imap = Imap(self.primary, USER)
        imap.append("INBOX", message(self.unique()))
        imap.run("SELECT INBOX")
        imap.run("STORE * +FLAGS.SILENT (warm)")
        return imap

    def at_follower(self, criterion, folder="INBOX"):
        """The UIDs that match at the follower."""
        imap = Imap(self.follower, USER)
        imap.run(f"EXAMINE {folder}")
        found = imap.run(f"UID SEARCH {criterion}").split("* SEARCH", 1)[1].split("\r\n", 1)[0].split()
        imap.run("LOGOUT")
        return found

    def waits(self, imap, *commands, literal=b""):
        """Whether the answer to the last command stays away while the relay withholds, and comes afterwards; returns it."""
        self.relay.withhold()
        try:
            tag = imap.send(*commands, literal=literal)
            early = imap.answer(tag, SILENT)
        finally:
            self.relay.release()
        text = early or imap.answer(tag)
        assert f"{tag} OK" in text, text
        assert early is None, f"answered while the follower was silent: {early.strip()[-60:]}"
        return text


def waits_and_arrives(store, command, criterion, folder="INBOX"):
    imap = store.session()
    before = len(store.at_follower(criterion, folder))
    store.waits(imap, command)
    assert len(store.at_follower(criterion, folder)) > before, f"the follower has no new {criterion}"
    imap.close()


@check
def append_waits_for_the_follower(store):
    imap, subject = store.session(), store.unique()
    text = message(subject)
    store.waits(imap, f"APPEND INBOX {{{len(text)}+}}\r\n", literal=text)
    assert store.at_follower(f"SUBJECT {subject}"), "the follower does not have the message"
    imap.close()


@check
def copy_waits_for_the_follower(store):
    waits_and_arrives(store, "COPY * Other", "ALL", "Other")


@check
def uid_copy_waits_for_the_follower(store):
    waits_and_arrives(store, "UID COPY * Other", "ALL", "Other")


@check
def move_waits_for_the_follower(store):
    waits_and_arrives(store, "MOVE * Other", "ALL", "Other")


@check
def seen_set_by_fetch_waits_for_the_follower(store):
    waits_and_arrives(store, "FETCH * BODY[]", "SEEN")


@check
def seen_set_by_a_fetch_whose_answer_fills_the_buffer_waits(store):
    """The engine's output buffer has 4096 bytes; an answer that ended with it was once sent by the write itself."""
    imap, size, past = store.session(), 6000, 1
    for _ in range(5):  # the length of one answer tells the size of the next message
        imap.append("INBOX", message(store.unique(), size))
        imap.run("NOOP")
        past = len(store.waits(imap, "FETCH * BODY[]")) % 4096
        if not past:
            break
        size += 4096 - past if size < 5000 else -past
    assert not past, f"no answer filled the buffer, the last was {past} bytes past it"
    imap.close()


@check
def close_waits_for_the_follower(store):
    imap = store.session()
    imap.run("STORE * +FLAGS.SILENT (\\Deleted)")
    deleted = store.at_follower("DELETED")
    assert deleted
    store.waits(imap, "CLOSE")
    assert not store.at_follower("DELETED"), "the follower still has the message"
    imap.close()


@check
def logout_behind_a_change_waits_for_the_follower(store):
    imap = store.session()
    before = len(store.at_follower("SEEN"))
    store.waits(imap, "FETCH * BODY[]", "LOGOUT")
    assert len(store.at_follower("SEEN")) > before, "the follower has no new SEEN"
    imap.close()


@check
def store_waits_for_the_follower(store):
    waits_and_arrives(store, "STORE * +FLAGS (\\Flagged)", "FLAGGED")


@check
def replace_waits_for_the_follower(store):
    imap, subject = store.session(), store.unique()
    text = message(subject)
    last = imap.run("SEARCH ALL").split("\r\n", 1)[0].split()[-1]
    store.waits(imap, f"REPLACE {last} INBOX {{{len(text)}+}}\r\n", literal=text)
    assert store.at_follower(f"SUBJECT {subject}"), "the follower does not have the message"
    imap.close()


@check
def lmtp_data_waits_for_the_follower(store):
    lmtp = Lmtp(store.primary)
    for withheld in (False, True):
        subject = store.unique()
        assert lmtp.envelope(f"{USER}@s1.store.govuc.internal").startswith("250")
        lmtp.run("DATA")
        if withheld:
            store.relay.withhold()
        try:
            lmtp.send(message(subject).decode() + ".")
            early = lmtp.reply(SILENT) if withheld else lmtp.reply()
        finally:
            store.relay.release()
        answer = early or lmtp.reply()
        assert answer.startswith("250"), answer
        assert not (withheld and early), f"answered while the follower was silent: {early}"
        assert store.at_follower(f"SUBJECT {subject}"), "the follower does not have the message"
    lmtp.close()


@check
def a_busy_process_syncs_again_within_a_second_of_the_link(store):
    imap = store.session()
    store.relay.cut()
    for turn in range(10):
        imap.run(f"STORE * {'+-'[turn % 2]}FLAGS.SILENT (busy)")
        time.sleep(0.1)
    store.relay.heal()
    healed, synced = time.monotonic(), None
    while synced is None and time.monotonic() < healed + 5:
        word = store.unique()
        imap.run(f"STORE * +FLAGS.SILENT ({word})")
        answered = time.monotonic()
        if store.at_follower(f"KEYWORD {word}"):
            synced = answered - healed
        time.sleep(0.1)
    assert synced is not None and synced <= 1, f"synced again after {synced} s"
    imap.close()


@check
def a_connection_that_died_while_idle_costs_no_unsynced_answer(store):
    imap, word = store.session(), store.unique()
    store.relay.drop()
    time.sleep(0.2)
    imap.run(f"STORE * +FLAGS.SILENT ({word})")
    assert store.at_follower(f"KEYWORD {word}"), "answered, and the follower does not have it"
    imap.close()


@check
def a_lmtp_process_syncs_again_after_the_link(store):
    lmtp = Lmtp(store.primary)
    for refused in (False, True, False):
        subject = store.unique()
        store.relay.cut() if refused else store.relay.heal()
        lmtp.envelope(f"{USER}@s1.store.govuc.internal")
        lmtp.run("DATA")
        assert lmtp.run(message(subject).decode() + ".").startswith("250")
    assert store.at_follower(f"SUBJECT {subject}"), "answered, and the follower does not have it"
    lmtp.close()


@check
def a_session_takes_its_connection_with_it(store):
    imap = store.session()
    open_before = len(store.relay.pairs)
    imap.run("LOGOUT")
    time.sleep(0.5)
    assert len(store.relay.pairs) == open_before - 1, f"{open_before} before, {len(store.relay.pairs)} after"


@check
def processes_survive_many_sessions(store):
    for _ in range(40):
        imap = store.session()
        imap.run("LOGOUT")
    died = store.primary.logged("signaled to death")
    assert not died, died[0]


@check
def lmtp_ignores_the_domain_and_refuses_unknown_users(store):
    lmtp = Lmtp(store.primary)
    for domain in ("s1.store.govuc.internal", "other.example"):
        assert lmtp.envelope(f"{USER}@{domain}").startswith("250")
    answer = lmtp.envelope("00000000-0000-4000-8000-000000000000@s1.store.govuc.internal")
    assert answer.startswith("550"), answer
    lmtp.close()


@check
def quota_special_use_and_search_work(store):
    admin = Imap(store.primary, "govuc-operator")
    admin.run(f"CREATE {INBOX}/Sent (USE (\\Sent))")
    admin.run(f"CREATE {INBOX}/Bin")
    admin.run("LOGOUT")
    imap = store.session()
    imap.run('SETMETADATA Bin (/private/specialuse "\\\\Trash")')
    listed = imap.run('LIST (SPECIAL-USE) "" *')
    assert "\\Sent" in listed and "\\Trash" in listed, listed
    assert "STORAGE" in imap.run("GETQUOTAROOT INBOX")
    for word in ("IDLE", "QUOTA", "MOVE", "SPECIAL-USE", "CONDSTORE", "QRESYNC", "SEARCH=FUZZY", "APPENDLIMIT=20971520"):
        assert word in imap.run("CAPABILITY"), word
    imap.run("SEARCH FUZZY TEXT text")
    imap.close()


@check
def a_wrong_password_is_refused(store):
    try:
        Imap(store.primary, USER, "wrong")
    except AssertionError as refused:
        assert " NO " in str(refused), refused
    else:
        raise AssertionError("logged in")


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


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("rootfs", help="the unpacked image")
    arguments.add_argument("--engine", metavar="DIR", help="another build of the engine, laid over the image: a folder "
                           "as `dpkg -x` makes it, without its etc and var, which would hide the image's")
    arguments.add_argument("--only", default="", metavar="WORD", help="only the checks whose name contains WORD")
    arguments.add_argument("--measure", action="store_true", help="print latencies and time bounds instead of checking")
    arguments.add_argument("--log", action="store_true", help="print the primary's log at the end")
    chosen = arguments.parse_args()
    work = tempfile.mkdtemp(prefix="govuc-cyrus-", dir="/var/tmp")
    store, failed = Store(work, ":".join(filter(None, (chosen.engine, chosen.rootfs)))), 0
    try:
        store.start()
        if chosen.measure:
            measure(store)
            return 0
        for test in CHECKS:
            if chosen.only not in test.__name__:
                continue
            try:
                test(store)
                print(f"ok {test.__name__}", flush=True)
            except (AssertionError, OSError, EOFError) as error:
                failed += 1
                print(f"FAILED {test.__name__}: {' '.join(str(error).split())}", flush=True)
            store.relay.heal()
            store.relay.release()
    finally:
        if chosen.log:
            print("\n".join(store.primary.log))
        store.stop()
        remove(work)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
