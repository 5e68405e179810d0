"""Both slots of a store with the relay between them, and what the checks look at."""

import re

from client import Imap, message
from relay import Relay
from slot import PASSWORD, Slot

PORT = 1150
USER = "3f0c2a10-5f0e-4c1b-9d2a-0123456789ab"
INBOX = f"user/{USER}"
SILENT = 0.7  # seconds without an answer that count as waiting; an answer without sync takes a few milliseconds
CHECKS = []


def check(test):
    """Registers a check under its function's name."""
    CHECKS.append((test.__name__, test))
    return test


class Store:
    """Both slots and the relay between them."""

    def __init__(self, work, lower):
        self.follower, self.primary = Slot(work, lower, "follower"), Slot(work, lower, "primary")
        self.serial = 0

    def start(self):
        values = dict(sync_port=str(PORT), fill_port=str(PORT), sync_password=PASSWORD)
        self.follower.start(**values)
        self.primary.start(**values)
        self.relay = Relay(self.primary, self.follower, PORT)
        admin = Imap(self.primary, "govuc-operator")
        admin.run(f"CREATE {INBOX}")
        admin.run(f"CREATE {INBOX}/Other")
        admin.run(f"SETQUOTA {INBOX} (STORAGE 100000)")
        admin.run("LOGOUT")

    def full_sync(self):
        """`sync_client -A`; its exit code."""
        return self.primary.program("sync_client", "-n", "peer", "-A").wait()

    def replay_log(self):
        """What the rolling client does once, with what is in its log; its exit code."""
        return self.primary.program("sync_client", "-n", "peer", "-R", "-1").wait()

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

    def folders_at_follower(self, subject):
        """Where at the follower a message shows."""
        admin = Imap(self.follower, "govuc-operator")
        names = re.findall(rf'"/" "?{INBOX}/?([^"\r]*)', admin.run(f'LIST "" {INBOX}*'))
        admin.run("LOGOUT")
        return [name for name in names if self.at_follower(f"SUBJECT {subject}", name or "INBOX")]

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
