"""Stands where the two guards do: between the primary's sync client and the follower's listener."""

import socket
import threading


class Relay:
    """Passes bytes; `withhold` keeps the follower's answers back, `cut` drops and refuses connections."""

    def __init__(self, primary, follower, port):
        self.follower = follower
        self.passing = threading.Event()
        self.passing.set()
        self.refusing = False
        self.pairs = set()
        self.accepted = 0
        self.listener = primary.within(lambda: socket.create_server(("127.0.0.1", port)))
        threading.Thread(target=self._accept, daemon=True).start()

    def withhold(self):
        self.passing.clear()

    def release(self):
        self.passing.set()

    def drop(self):
        """Ends every connection, and would take the next."""
        for pair in list(self.pairs):
            for sock in pair:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def cut(self):
        self.refusing = True
        self.drop()

    def heal(self):
        self.refusing = False

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
            threading.Thread(target=self._pump, args=(pair, 0, 1), daemon=True).start()
            threading.Thread(target=self._pump, args=(pair, 1, 0), daemon=True).start()

    def _pump(self, pair, source, sink):
        try:
            pair[source].settimeout(None)
            while data := pair[source].recv(65536):
                if source == 1:
                    self.passing.wait()
                pair[sink].sendall(data)
        except OSError:
            pass
        self.pairs.discard(pair)
        for sock in pair:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
