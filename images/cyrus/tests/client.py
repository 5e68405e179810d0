"""IMAP and LMTP, just enough of them to see when an answer comes."""

import re
import socket

from slot import PASSWORD


class Imap:
    def __init__(self, slot, user, password=PASSWORD):
        self.sock = slot.connect(1143)
        self.buffer, self.count = b"", 0
        self._line()
        self.run(f"LOGIN {user} {password}")

    def send(self, *commands, literal=b""):
        """Sends commands in one write and returns the tag of the last."""
        text = b""
        for command in commands:
            self.count += 1
            text += f"T{self.count} {command}".encode() + literal + b"\r\n"
        self.sock.sendall(text)
        return f"T{self.count}"

    def answer(self, tag, seconds=30):
        """All lines to the tagged answer, or None when it does not come in time. What came is kept for the next call."""
        self.sock.settimeout(seconds)
        while not (end := re.search(rb"(?:^|\r\n)" + tag.encode() + rb" [^\r]*\r\n", self.buffer)):
            try:
                data = self.sock.recv(65536)
            except TimeoutError:
                return None
            if not data:
                raise EOFError(f"connection closed before {tag}")
            self.buffer += data
        lines, self.buffer = self.buffer[:end.end()], self.buffer[end.end():]
        return lines.decode("utf-8", "replace")

    def run(self, command, literal=b""):
        tag = self.send(command, literal=literal)
        text = self.answer(tag)
        if f"{tag} OK" not in text:
            raise AssertionError(f"{command}: {text.strip()}")
        return text

    def append(self, folder, message, flags=""):
        return self.run(f"APPEND {folder} {flags}{{{len(message)}+}}\r\n", message)

    def close(self):
        self.sock.close()

    def _line(self):
        while b"\r\n" not in self.buffer:
            self.buffer += self.sock.recv(4096)
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line


class Lmtp:
    def __init__(self, slot):
        self.sock = slot.connect(2003)
        self.stream = self.sock.makefile("rb")
        self.reply()
        self.run("LHLO test.example")

    def send(self, text):
        self.sock.sendall(text.encode() + b"\r\n")

    def reply(self, seconds=30):
        self.sock.settimeout(seconds)
        try:
            while True:
                line = self.stream.readline().decode()
                if line[3:4] != "-":
                    return line.strip()
        except TimeoutError:
            self.stream = self.sock.makefile("rb")  # one that timed out reads no more
            return None

    def run(self, text):
        self.send(text)
        return self.reply()

    def envelope(self, recipient):
        """The answer to RCPT."""
        self.run("RSET")
        self.run("MAIL FROM:<sender@a.example>")
        return self.run(f"RCPT TO:<{recipient}>")

    def close(self):
        self.sock.close()


def message(subject, size=0):
    """A message of at least a few lines, or of exactly `size` bytes."""
    head = f"From: <sender@a.example>\r\nSubject: {subject}\r\nMessage-ID: <{subject}@a.example>\r\n\r\n".encode()
    body = b"text\r\n"
    if size:
        body = b"x" * (size - len(head) - 2) + b"\r\n"
    return head + body
