"""What an engine does about a sync that fails."""

import glob
import os
import re
import time

from client import Imap, Lmtp, message
from store import SILENT, USER, check


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


def hangs_up_first(store, imap):
    """A change whose sync fails: the relay hears of it, and the client not before the relay has closed its half."""
    store.relay.keeping = True
    tag = imap.send(f"STORE * +FLAGS.SILENT ({store.unique()})")
    early = imap.answer(tag, SILENT)
    hung_up, store.relay.keeping = store.relay.hung_up, False
    text = early or imap.answer(tag)
    assert f"{tag} OK" in text, text
    assert early is None, f"answered before the relay closed the connection: {early.strip()[-60:]}"
    assert hung_up, "the relay heard nothing of it"
    assert store.primary.logged("SYNCERROR"), "nothing in the log"
    imap.close()


@check
def the_engine_hangs_up_before_an_answer_whose_sync_failed_in_itself(store):
    imap = store.session()
    # The lock under which a user is synced.
    lock, = glob.glob(f"{store.primary.work}/run/lock/**/[*]S[*]*{USER}*", recursive=True)
    os.unlink(lock)
    os.mkdir(lock)
    try:
        hangs_up_first(store, imap)
    finally:
        os.rmdir(lock)


@check
def the_engine_hangs_up_before_an_answer_that_the_follower_deferred(store):
    imap = store.session()
    store.relay.saying = "NO IMAP_MAILBOX_LOCKED Mailbox locked"
    hangs_up_first(store, imap)


@check
def the_engine_hangs_up_before_an_answer_that_the_follower_refused(store):
    imap = store.session()
    store.relay.saying = "NO Unknown error"
    hangs_up_first(store, imap)


@check
def a_session_and_a_full_sync_end_with_logout(store):
    imap = store.session()
    imap.run("LOGOUT")
    store.session().close()
    assert store.full_sync() == 0
    time.sleep(0.2)
    assert not store.relay.hung_up, f"{store.relay.hung_up} connections ended without"


@check
def a_full_sync_mends_what_only_the_follower_has_with_refusals_that_the_guard_lets_pass(store):
    """What the copies look like after both have been written to."""
    imap, theirs = store.session(), Imap(store.follower, USER)
    for folder in ("Gone", "Named"):
        imap.run(f"CREATE {folder}")
        imap.append(folder, message(store.unique()))
    theirs.run("SELECT INBOX")
    theirs.run("STORE 1 +FLAGS (\\Answered)")
    theirs.append("INBOX", message(store.unique()))
    theirs.run("DELETE Gone")
    theirs.run("RENAME Named Otherwise")
    imap.append("Gone", message(store.unique()))
    store.relay.cut()
    imap.run("CREATE Short")
    imap.run("DELETE Short")
    store.relay.heal()
    with open(f"{store.primary.work}/data/cyrus/config/sync/peer/log", "a") as log:
        log.write(f"UNMAILBOX user.{USER}.Short\n")
    assert store.replay_log() == 0, "the log is not replayed"
    assert store.full_sync() == 0, "the full sync fails"
    seen = {refusal.split()[0] for refusal in store.relay.refusals}
    source = open(os.path.join(os.path.dirname(__file__), "../../../guard/src/relay/answers.rs")).read()
    steps = set(re.findall(r'b"NO (\w+) "', source))
    assert steps and seen == steps, f"the guard lets {sorted(steps)} pass, seen were {sorted(seen)}"
    store.relay.refusals = []
    assert store.full_sync() == 0 and not store.relay.refusals, "a second full sync has something to mend"
    theirs.close()
    imap.close()


@check
def a_full_sync_keeps_both_of_two_messages_under_one_number_and_calls_it_an_error_that_the_guard_ignores(store):
    """What a failover leaves whose old primary had stored a message that it did not answer."""
    imap, theirs = store.session(), Imap(store.follower, USER)
    subjects = [store.unique(), store.unique()]
    store.relay.cut()
    for session, subject in zip((imap, theirs), subjects):
        session.append("INBOX", message(subject))
    store.relay.heal()
    begun = len(store.primary.log)
    assert store.full_sync() == 0, "the full sync fails"
    errors = [line for line in store.primary.log[begun:] if "SYNCERROR" in line]
    source = open(os.path.join(os.path.dirname(__file__), "../../../guard/src/engine/log.rs")).read()
    ignored, = re.findall(r'RENUMBERED: &str = "([^"]+)"', source)
    assert errors and all(ignored in line for line in errors), f"the guard ignores {ignored!r}, seen were {errors}"
    store.relay.refusals = []
    assert store.full_sync() == 0 and not store.relay.refusals, "a second full sync has something to mend"
    imap.run("SELECT INBOX")
    for subject in subjects:
        ours = imap.run(f"UID SEARCH SUBJECT {subject}").split("* SEARCH", 1)[1].split("\r\n", 1)[0].split()
        assert len(ours) == 1 and store.at_follower(f"SUBJECT {subject}") == ours, f"{subject} is not once in both"
    theirs.close()
    imap.close()


@check
def the_deletion_of_a_user_while_the_link_was_cut_comes_with_the_log(store):
    """`sync_client -A` passes over users that are gone."""
    admin = Imap(store.primary, "govuc-operator")
    admin.run("CREATE user/leaving")
    admin.run("SETACL user/leaving govuc-operator lrswipkxtecdan")
    store.relay.cut()
    admin.run("DELETE user/leaving")
    store.relay.heal()
    assert store.full_sync() == 0 and store.replay_log() == 0
    theirs = Imap(store.follower, "govuc-operator")
    assert "user/leaving" not in theirs.run('LIST "" user/leaving'), "the follower still has the user"
    for imap in (admin, theirs):
        imap.close()
