"""Which commands are answered only after the follower has the change, and which need not wait."""

from client import Imap, Lmtp, message
from store import INBOX, SILENT, USER, check, waits_and_arrives


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


# What changes something, in an order in which each finds what it needs. Selected is INBOX.
CHANGES = {
    "uid_move": "UID MOVE 1 Other",
    "uid_store": "UID STORE 2 +FLAGS.SILENT (kept)",
    "text_fetched": "FETCH 1 BODY[TEXT]",
    "uid_fetch": "UID FETCH * BODY[]",
    "deleted_flag": "STORE 1 +FLAGS.SILENT (\\Deleted)",
    "expunge": "EXPUNGE",
    "second_deleted_flag": "STORE 1 +FLAGS.SILENT (\\Deleted)",
    "uid_expunge": "UID EXPUNGE 1:*",
    "annotation_of_a_message": 'STORE 1 ANNOTATION (/comment (value.priv "a"))',
    "create": "CREATE Made",
    "create_of_three": "CREATE Deep/Deeper/Deepest",
    "subscribe": "SUBSCRIBE Made",
    "unsubscribe": "UNSUBSCRIBE Made",
    "setmetadata": 'SETMETADATA Made (/private/comment "a")',
    "setmetadata_of_a_special_use": 'SETMETADATA Made (/private/specialuse "\\\\Archive")',
    "setacl": "SETACL Made anyone lr",
    "deleteacl": "DELETEACL Made anyone",
    "rename": "RENAME Made Renamed",
    "delete": "DELETE Deep/Deeper/Deepest",
    "select_that_ends_recent": "SELECT Other",
}
# The same as administrator.
ADMINISTRATION = {
    "setquota": f"SETQUOTA {INBOX} (STORAGE 100001)",
    "create_of_a_user": "CREATE user/second",
    "create_in_a_user": "CREATE user/second/Made",
    "setquota_of_a_user": "SETQUOTA user/second (STORAGE 5)",
    "setacl_of_a_user": "SETACL user/second govuc-operator lrswipkxtecdan",
    "rename_in_a_user": "RENAME user/second/Made user/second/Renamed",
    "delete_of_a_user": "DELETE user/second",
    "setmetadata_of_the_server": 'SETMETADATA "" (/shared/comment "a")',
    "setmetadata_of_a_user": f'SETMETADATA {INBOX} (/shared/vendor/cmu/cyrus-imapd/expire "3")',
}
READING = (
    "NOOP", "CAPABILITY", "ID NIL", "NAMESPACE", 'LIST "" *', 'LSUB "" *',
    'LIST "" * RETURN (STATUS (MESSAGES UNSEEN HIGHESTMODSEQ))', "STATUS Other (MESSAGES RECENT UIDNEXT)", "EXAMINE INBOX",
    "SELECT INBOX (CONDSTORE)", "CHECK", "SEARCH ALL", "UID SEARCH UNSEEN", "SEARCH TEXT text", "SEARCH FUZZY TEXT text",
    "SORT (DATE) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL", "ESEARCH IN (mailboxes INBOX) ALL",
    "FETCH 1:* (FLAGS UID ENVELOPE)", "FETCH * BODY.PEEK[]", "FETCH * (BODYSTRUCTURE RFC822.SIZE)", "FETCH * RFC822.HEADER",
    "FETCH * ANNOTATION (/comment value)", "GETQUOTAROOT INBOX", "GETACL INBOX", "MYRIGHTS INBOX", "LISTRIGHTS INBOX anyone",
    "GETMETADATA INBOX (/private/comment)", "UNSELECT", "SELECT INBOX", "CLOSE", "LOGOUT",
)


def waits_in_turn(commands, opened):
    """A check for each command, all in one session."""
    shared = {}
    for name, command in commands.items():
        def test(store, command=command):
            if "imap" not in shared:
                shared["imap"] = opened(store)
            store.waits(shared["imap"], command)
        test.__name__ = f"{name}_waits_for_the_follower"
        check(test)


def with_mail(store):
    imap = store.session()
    for _ in range(4):
        imap.append("INBOX", message(store.unique()))
    imap.run("NOOP")
    imap.run("STORE 1:* -FLAGS.SILENT (\\Seen \\Deleted)")
    return imap


def with_a_second_user(store):
    return Imap(store.primary, "govuc-operator")


waits_in_turn(CHANGES, with_mail)
waits_in_turn(ADMINISTRATION, with_a_second_user)


@check
def reading_does_not_wait_for_the_follower(store):
    imap = with_mail(store)
    imap.run("SELECT Other")
    imap.run("SELECT INBOX")
    store.relay.withhold()
    for command in READING:
        tag = imap.send(command)
        text = imap.answer(tag, SILENT)
        assert text is not None, f"{command} waits"
        assert f"{tag} OK" in text, text
    imap.close()


@check
def no_answer_to_one_of_many_recipients_leaves_early(store):
    """A hundred answers are more than the engine's output buffer holds."""
    lmtp, subject = Lmtp(store.primary), store.unique()
    lmtp.run("MAIL FROM:<sender@a.example>")
    for _ in range(100):
        assert lmtp.run(f"RCPT TO:<{USER}@s1.store.govuc.internal>").startswith("250")
    lmtp.run("DATA")
    store.relay.withhold()
    lmtp.send(message(subject).decode() + ".")
    early = lmtp.reply(SILENT)
    store.relay.release()
    assert early is None, f"answered while the follower was silent: {early}"
    for _ in range(100):
        assert lmtp.reply().startswith("250")
    assert store.at_follower(f"SUBJECT {subject}"), "the follower does not have the message"
    lmtp.close()
