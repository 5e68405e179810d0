"""Several processes that change what belongs to one user at once."""

import collections
import random
import threading
import time

from client import Imap, Lmtp, message
from store import INBOX, USER, check

SECONDS = 15
# Messages are moved from the first to the second mailbox only, and looked for in this order.
FROM_TO = ("From", "To")


def stored_while_another_waits(store, other, spoken):
    """A message is appended to a mailbox and `other` is done with it, both while a third process holds the user's sync lock.
    Then the sync of `other` is held. Where the follower has the message once it is stored, or None if it isn't meanwhile."""
    old, new = f"Old{store.unique()}", f"New{store.unique()}"
    third, writer, changer = (store.session() for _ in range(3))
    changer.run(f"CREATE {old}")
    if "MOVE" in other:
        changer.run(f"CREATE {new}")
        changer.run(f"SELECT {old}")
    subject = store.unique()
    text = message(subject)
    store.relay.withhold()
    third.send(f"STORE * +FLAGS.SILENT ({store.unique()})")
    time.sleep(0.2)
    written = writer.send(f"APPEND {old} {{{len(text)}+}}\r\n", literal=text)
    time.sleep(0.2)
    changer.send(other.format(old=old, new=new))
    time.sleep(0.2)
    store.relay.release()
    store.relay.withhold_those_who_say(spoken.format(old=old, new=new))
    answer = writer.answer(written, 2)
    found = store.folders_at_follower(subject) if answer else None
    store.relay.release()
    for imap in (third, writer, changer):
        imap.close()
    return found


@check
def a_message_in_a_mailbox_that_is_renamed_is_not_stored_before_it_is_there(store):
    found = stored_while_another_waits(store, "RENAME {old} {new}", "RENAME|{new}")
    assert found is None or found, "stored, and the follower does not have it"


@check
def a_message_in_a_mailbox_that_is_deleted_is_not_stored_before_it_is_there(store):
    found = stored_while_another_waits(store, "DELETE {old}", "RENAME|DELETED")
    assert found is None or found, "stored, and the follower does not have it"


@check
def a_message_that_is_moved_is_at_the_follower_all_the_time(store):
    found = stored_while_another_waits(store, "UID MOVE 1:* {new}", "{new}")
    assert found, "the follower has it in neither mailbox"


class Crowd:
    """Writers on one user, each with a connection to the follower where it looks for what was stored."""

    def __init__(self, store):
        self.store, self.ending = store, threading.Event()
        self.missing, self.failed, self.stored = [], [], []
        self.done = collections.Counter()
        self.threads = []

    def add(self, writer, count):
        for number in range(count):
            def run(writer=writer, number=number):
                try:
                    writer(number)
                except (AssertionError, OSError, EOFError, TypeError) as error:
                    if not self.ending.is_set():
                        self.failed.append(f"{writer.__name__}: {error!r}")
            self.threads.append(threading.Thread(target=run, daemon=True))

    def run(self):
        for thread in self.threads:
            thread.start()
        time.sleep(SECONDS)
        self.ending.set()
        for thread in self.threads:
            thread.join(60)

    def serials(self):
        count = 0
        while not self.ending.is_set():
            count += 1
            yield count

    def look(self, theirs, what, subject, folders):
        self.done[what] += 1
        for folder in folders:
            theirs.run(f"EXAMINE {folder}")
            if theirs.run(f"UID SEARCH SUBJECT {subject}").split("* SEARCH", 1)[1].split("\r\n", 1)[0].split():
                return
        self.missing.append(what)

    def append(self, number):
        imap, theirs = Imap(self.store.primary, USER), Imap(self.store.follower, USER)
        for serial in self.serials():
            subject = f"append{number}x{serial}"
            imap.append(FROM_TO[0], message(subject, random.choice((0, 3000, 40000))))
            self.look(theirs, "append", subject, FROM_TO)
            self.stored.append(subject)

    def deliver(self, number):
        lmtp, theirs = Lmtp(self.store.primary), Imap(self.store.follower, USER)
        for serial in self.serials():
            subject = f"deliver{number}x{serial}"
            lmtp.envelope(f"{USER}@s1.store.govuc.internal")
            lmtp.run("DATA")
            lmtp.send(message(subject).decode() + ".")
            assert lmtp.reply(60).startswith("250")
            self.look(theirs, "deliver", subject, ["INBOX"])

    def move(self, _):
        imap = Imap(self.store.primary, USER)
        imap.run(f"SELECT {FROM_TO[0]}")
        for _ in self.serials():
            uids = imap.run("UID SEARCH ALL").split("* SEARCH", 1)[1].split("\r\n", 1)[0].split()
            if uids:
                tag = imap.send(f"UID MOVE {random.choice(uids)} {FROM_TO[1]}")
                assert f"{tag} OK" in imap.answer(tag, 60)
                self.done["move"] += 1
            else:
                time.sleep(0.05)

    def flag(self, number):
        imap = Imap(self.store.primary, USER)
        imap.run("SELECT INBOX")
        for serial in self.serials():
            imap.run(f"STORE 1:* {'+-'[serial % 2]}FLAGS.SILENT (flag{number})")
            self.done["flag"] += 1

    def rearrange(self, number):
        imap, theirs = Imap(self.store.primary, USER), Imap(self.store.follower, USER)
        for serial in self.serials():
            name = f"Folder{number}x{serial}"
            for command, there in ((f"CREATE {name}", name), (f"SETACL {name} anyone lr", name),
                                   (f"RENAME {name} {name}r", f"{name}r"), (f"SUBSCRIBE {name}r", f"{name}r")):
                tag = imap.send(command)
                assert f"{tag} OK" in imap.answer(tag, 60)
                self.done[command.split()[0]] += 1
                if there not in theirs.run(f'LIST "" {there}'):
                    self.missing.append(command.split()[0])
            if serial % 2:
                imap.run(f"DELETE {name}r")

    def observe(self, _):
        theirs = Imap(self.store.follower, USER)
        for _ in self.serials():
            if self.stored:
                self.look(theirs, "kept", random.choice(self.stored[-40:]), FROM_TO)
            else:
                time.sleep(0.05)

    def sync_fully(self, _):
        while not self.ending.is_set():
            assert self.store.full_sync() == 0
            self.done["full sync"] += 1


@check
def all_that_32_writers_on_one_user_stored_is_at_the_follower_when_it_is(store):
    """With the rolling client and full syncs at the same time, as while a copy catches up."""
    admin = Imap(store.primary, "govuc-operator")
    for name in FROM_TO:
        admin.run(f"CREATE {INBOX}/{name}")
    admin.run("LOGOUT")
    store.session().close()
    begun = len(store.primary.log)
    rolling = store.primary.program("sync_client", "-R", "-n", "peer")
    crowd = Crowd(store)
    for writer, count in ((crowd.append, 9), (crowd.deliver, 5), (crowd.move, 6), (crowd.flag, 6), (crowd.rearrange, 6),
                          (crowd.observe, 2), (crowd.sync_fully, 1)):
        crowd.add(writer, count)
    crowd.run()
    rolling.terminate()
    rolling.wait()
    assert not crowd.failed, crowd.failed[0]
    assert not crowd.missing, f"{dict(collections.Counter(crowd.missing))} missing of {dict(crowd.done)}"
    assert all(crowd.done[what] for what in ("append", "deliver", "move", "flag", "CREATE", "RENAME", "kept", "full sync"))
    assert not store.relay.hung_up, f"the engine hung up {store.relay.hung_up} times"
    for word in ("SYNCERROR", "Deferred", "can not lock", "signaled to death"):
        lines = [line for line in store.primary.log[begun:] if word in line]
        assert not lines, lines[0]
