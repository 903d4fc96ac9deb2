"""HTTP/1.1 on a socket, by hand: misbehaving on purpose needs every byte under control."""

import select
import socket
import ssl
import struct
import time

MAXIMUM_LINE = 1 << 20
MAXIMUM_BODY = 1 << 30
LINGER_RESET = struct.pack("ii", 1, 0)


class Gone(Exception):
    """There is no connection any more."""


class PeerLeft(Gone):
    """The client closed or reset it."""


class Ended(Gone):
    """It was ended here, on purpose."""


class BadRequest(Exception):
    pass


class Request:
    def __init__(self, method, target, version, headers):
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.path, _, self.query = target.partition("?")
        self.body = b""
        self.complete = False

    def header(self, name):
        values = self.all_headers(name)
        return values[0] if values else None

    def all_headers(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def keeps_alive(self):
        words = (self.header("Connection") or "").lower()
        return self.version == "HTTP/1.1" and "close" not in words


class Wire:
    def __init__(self, connection, number):
        self.connection = connection
        self.number = number
        self.reader = connection.makefile("rb", 1 << 16)
        self.limit = None
        self.trickle = None
        self.sent = 0

    # ---- reading ----

    def read_head(self):
        """The next request without its body, or None when the client is done with the connection."""
        line = self.read_line()
        if line is None:
            return None
        words = line.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise BadRequest("malformed request line")
        headers = []
        while True:
            line = self.read_line()
            if line is None:
                raise PeerLeft()
            if not line:
                return Request(words[0], words[1], words[2], headers)
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise BadRequest("malformed header line")
            headers.append([name, value.strip()])

    def read_line(self):
        try:
            line = self.reader.readline(MAXIMUM_LINE)
        except OSError:
            raise PeerLeft()
        if not line:
            return None
        if not line.endswith(b"\r\n"):
            raise BadRequest("a line that doesn't end in CRLF")
        return line[:-2].decode("latin-1")

    def read_body(self, request):
        if (request.header("Expect") or "").lower() == "100-continue":
            self.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in (request.header("Transfer-Encoding") or "").lower():
            request.body = self.read_chunks()
        else:
            length = request.header("Content-Length") or "0"
            if not length.isdigit() or int(length) > MAXIMUM_BODY:
                raise BadRequest("impossible Content-Length")
            request.body = self.read_exactly(int(length))
        request.complete = True

    def read_chunks(self):
        pieces = []
        while True:
            line = self.read_line()
            try:
                size = int((line or "").split(";")[0], 16)
            except ValueError:
                raise BadRequest("malformed chunk")
            if size == 0:
                while self.read_line():
                    pass
                return b"".join(pieces)
            pieces.append(self.read_exactly(size))
            if self.read_exactly(2) != b"\r\n":
                raise BadRequest("malformed chunk")

    def read_exactly(self, size):
        try:
            data = self.reader.read(size)
        except OSError:
            raise PeerLeft()
        if len(data) != size:
            raise PeerLeft()
        return data

    # ---- sending ----

    def send_all(self, data):
        try:
            self.connection.sendall(data)
        except OSError:
            raise PeerLeft()
        self.sent += len(data)

    def send(self, data):
        """Sends within the limits that a behaviour has set on this answer."""
        if self.limit is not None:
            position, ending = self.limit
            data = data[:position - self.sent]
        if self.trickle:
            self.send_slowly(data)
        elif data:
            self.send_all(data)
        if self.limit is not None and self.sent >= position:
            ending()

    def send_slowly(self, data):
        size, seconds = self.trickle
        for start in range(0, len(data), size):
            # Before, not after: once it has everything the client may well leave.
            self.wait(seconds)
            self.send_all(data[start:start + size])

    def wait(self, seconds):
        """Waits, and notices when the client leaves meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            try:
                readable = select.select([self.connection], [], [], left)[0]
            except (OSError, ValueError):
                raise PeerLeft()
            if readable and self.peer_has_left():
                raise PeerLeft()
            if readable:
                time.sleep(min(left, 0.01))

    def peer_has_left(self):
        # A TLS client that leaves says so in a record of its own, so there anything that arrives counts.
        if isinstance(self.connection, ssl.SSLSocket):
            return True
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    # ---- ending ----

    def reset(self):
        # A reset makes the client's system throw away what it hasn't read yet: let it read first.
        time.sleep(0.03)
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        except OSError:
            pass
        self.release()
        raise Ended()

    def end(self):
        self.close()
        raise Ended()

    def close(self):
        """Closes in order: unread input would turn the close into a reset, so it is read away for a moment."""
        try:
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(0.5)
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline and self.connection.recv(1 << 16):
                pass
        except (OSError, ValueError):
            pass
        self.release()

    def release(self):
        for thing in (self.reader, self.connection):
            try:
                thing.close()
            except OSError:
                pass
