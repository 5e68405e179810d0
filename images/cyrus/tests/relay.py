"""Stands where the two guards do: between the primary's sync client and the follower's listener."""

import re
import socket
import threading
import time

REFUSAL = re.compile(rb"^\S+ (NO|BAD) ([^\r\n]*)", re.M)
TAKEN = re.compile(rb"^(\S+) OK success", re.M)


class Relay:
    """Passes bytes; `withhold` keeps the follower's answers back, `cut` drops and refuses connections."""

    def __init__(self, primary, follower, port):
        self.follower = follower
        self.withholding = self.refusing = False
        self.pairs = set()
        self.accepted = 0
        # What the follower refused with, and how often the engine hung up without LOGOUT.
        self.refusals, self.hung_up = [], 0
        # Whether an engine that hangs up finds the other half of its connection open until `release`.
        self.keeping = False
        # What the engine hears in place of "OK success".
        self.saying = None
        # Connections on which the engine says this are withheld from then on.
        self.word, self.held = None, set()
        self.listener = primary.within(lambda: socket.create_server(("127.0.0.1", port)))
        threading.Thread(target=self._accept, daemon=True).start()

    def withhold(self):
        self.withholding = True

    def withhold_those_who_say(self, word):
        self.word = re.compile(word.encode())

    def release(self):
        self.word = None
        self.held.clear()
        self.withholding = False

    def drop(self):
        """Ends every connection, and would take the next."""
        for pair in list(self.pairs):
            self._end(*pair)

    def cut(self):
        self.refusing = True
        self.drop()

    def heal(self):
        self.refusing = False

    def clear(self):
        """As it was at first."""
        self.saying, self.keeping = None, False
        self.heal()
        self.release()
        self.refusals, self.hung_up = [], 0

    def _accept(self):
        while True:
            engine, _ = self.listener.accept()
            self.accepted += 1
            if self.refusing:
                engine.close()
                continue
            try:
                pair = (engine, self.follower.connect(1143))
            except OSError:
                engine.close()
                continue
            self.pairs.add(pair)
            threading.Thread(target=self._up, args=pair, daemon=True).start()
            threading.Thread(target=self._down, args=pair, daemon=True).start()

    def _up(self, engine, peer):
        last = b""
        try:
            engine.settimeout(None)
            while data := engine.recv(65536):
                last = data
                if self.word and self.word.search(data):
                    self.held.add(peer)
                peer.sendall(data)
            if not last.endswith(b"LOGOUT\r\n") and (engine, peer) in self.pairs:
                self.hung_up += 1
                while self.keeping:
                    time.sleep(0.01)
        except OSError:
            pass
        self._end(engine, peer)

    def _down(self, engine, peer):
        try:
            peer.settimeout(None)
            while data := peer.recv(65536):
                self.refusals += [line.decode() for _, line in REFUSAL.findall(data)]
                if self.saying:
                    data = TAKEN.sub(rb"\1 " + self.saying.encode(), data)
                while self.withholding or peer in self.held:
                    time.sleep(0.001)
                engine.sendall(data)
        except OSError:
            pass
        self._end(engine, peer)

    def _end(self, *pair):
        self.pairs.discard(pair)
        for sock in pair:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
