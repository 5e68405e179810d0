"""That the engine does its work, and outlives it."""

from client import Imap, Lmtp
from store import INBOX, USER, check


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
