"""A client of the native protocol, with JSON bodies, in nothing but Python's standard library (3.9 or newer).

    from rpc_client import Client

    with Client.connect("tcp://127.0.0.1:7000", service="bank.Rates") as rates:
        print(rates.call("bank.Rates/convert",
                         {"amount": "100", "from": "USD", "to": "EUR", "date": "2024-03-01"}, timeout=2.0))

It is written to be read beside docs/PROTOCOL.md. It has no threads: it reads while it waits for something, so a
connection that is left alone for minutes does not answer the server's PING and is ended by it. Not here: streams
and compression, which a client need not offer.
"""

import json
import re
import socket
import struct
import time

# --- what the protocol fixes -------------------------------------------------------------------------------------

MAGIC = b"\xf2RPC"
VERSION = 1
HEADER = struct.Struct(">IBBHQ")  # payload length, kind, flags, head length, call id

HELLO, REQUEST, RESPONSE, DATA, CREDIT, CANCEL, PING, PONG, GOAWAY = range(1, 10)
IGNORABLE_KIND = 0x80

MORE, END, CHECKSUM = 0x01, 0x02, 0x04
UNKNOWN_CRITICAL_FLAG = 0x08

BIG_MESSAGE_BYTES = 32_768  # up to this a message is one frame; above it, pieces of at most this
MAX_HEAD_BYTES = 24_576
MAX_METHOD_BYTES = 255
MAX_METADATA_ENTRIES, MAX_METADATA_BYTES = 64, 16_384
METADATA_KEY = re.compile(r"(?!rpc-)[a-z0-9_.-]{1,64}\Z")
# What may be used before the server has said HELLO, and the least it may then offer.
FLOOR_FRAME_BYTES, FLOOR_CALLS, FLOOR_STREAM_CREDIT = 65_536, 32, 65_536

SLOT_BITS = 20  # a call id is `sequence << 20 | slot`
ONEWAY_SLOT = (1 << SLOT_BITS) - 1  # a call that is not answered occupies none

CODES = ["ok", "cancelled", "unknown", "invalid argument", "deadline exceeded", "not found", "already exists",
         "permission denied", "resource exhausted", "failed precondition", "aborted", "out of range",
         "unimplemented", "internal", "unavailable", "data loss", "unauthenticated"]
CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE = 1, 2, 3, 4, 8, 14
EXECUTED = ["maybe", "no", "yes"]
PROTOCOL_ERROR = 1  # a GOAWAY code
DRAIN, AGE = 0, 6  # the GOAWAY codes after which calls in flight still finish


class RpcError(Exception):
    """A call that ended with something else than an answer."""

    def __init__(self, code, message, error=None, executed="maybe", metadata=None, retry_after=None, details=()):
        self.code = code if 0 < code < len(CODES) else UNKNOWN
        self.message = message
        self.error = error  # the method's own error, decoded; None if it is not one
        self.executed = executed  # whether the handler ran: "no", "maybe" or "yes"
        self.metadata = metadata or {}
        self.retry_after = retry_after  # seconds to stay away, or None
        self.details = list(details)  # (type name, bytes)
        super().__init__(f"{CODES[self.code]}: {message}")


class ConnectionEnded(Exception):
    """The connection is over, or takes no more calls; `code` is that of a GOAWAY, or None."""

    def __init__(self, message, code=None):
        self.code = code
        super().__init__(message)


class ProtocolError(ConnectionEnded):
    """The peer sent what makes no sense."""


# --- heads are protobuf; this is all of it that they need --------------------------------------------------------


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def encode(fields):
    """`(number, value)` pairs as a message; a value is an int, a str or bytes. Defaults are left out by the caller."""
    out = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return bytes(out)


def decode(data):
    """A message as `{number: [values]}`; a value is an int or bytes. Whoever does not know a number skips it."""
    fields, at = {}, 0

    def number():
        nonlocal at
        value = 0
        for shift in range(0, 70, 7):
            if at >= len(data):
                raise ProtocolError("a head ends in the middle of a number")
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF
        raise ProtocolError("a number in a head has more than ten bytes")

    while at < len(data):
        key = number()
        kind = key & 7
        if kind == 0:
            value = number()
        else:
            length = {1: 8, 5: 4}.get(kind)
            if kind == 2:
                length = number()
            if length is None or at + length > len(data):
                raise ProtocolError("a field of a head is malformed")
            value = bytes(data[at:at + length])
            at += length
        fields.setdefault(key >> 3, []).append(value)
    return fields


def integer(fields, number, default=0):
    """In protobuf the last one of a field that was sent twice counts."""
    value = fields.get(number, [default])[-1]
    if isinstance(value, bytes):
        raise ProtocolError(f"field {number} of a head is no number")
    return value


def binary(value, number):
    if not isinstance(value, bytes):
        raise ProtocolError(f"field {number} of a head is no text")
    return value


def text(fields, number):
    try:
        return binary(fields.get(number, [b""])[-1], number).decode()
    except UnicodeDecodeError:
        raise ProtocolError(f"field {number} of a head is no UTF-8") from None


def pairs(fields, number):
    """Fields 1 and 2 of each element of a repeated message: metadata and details look like this."""
    for element in fields.get(number, []):
        inner = decode(binary(element, number))
        yield text(inner, 1), binary(inner.get(2, [b""])[-1], 2)


def crc32c(data, table=[]):
    """CRC32C (Castagnoli). Only used if a server wishes for checksums."""
    if not table:
        for value in range(256):
            for _ in range(8):
                value = value >> 1 ^ 0x82F63B78 if value & 1 else value >> 1
            table.append(value)
    crc = 0xFFFF_FFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFF_FFFF


# --- frames ------------------------------------------------------------------------------------------------------


def frame(kind, head=b"", body=b"", call=0, flags=0, checksum=False):
    """A frame's bytes."""
    length = len(head) + len(body)
    if checksum:
        flags, length = flags | CHECKSUM, length + 4
    data = HEADER.pack(length, kind, flags, len(head), call) + head + body
    return data + struct.pack(">I", crc32c(data)) if checksum else data


def take_frame(buffer, max_payload):
    """Takes the first whole frame out of `buffer`: (kind, flags, call, head, body), or None if there is none yet."""
    if len(buffer) < HEADER.size:
        return None
    length, kind, flags, head_length, call = HEADER.unpack_from(buffer)
    if length > max_payload:
        raise ProtocolError(f"a frame of {length} bytes, expected at most {max_payload}")
    known = HELLO <= kind <= GOAWAY
    if not known and not kind & IGNORABLE_KIND:
        raise ProtocolError(f"unknown critical frame kind {kind}")
    if known and flags & UNKNOWN_CRITICAL_FLAG:
        raise ProtocolError(f"unknown critical flag {flags & UNKNOWN_CRITICAL_FLAG:#04x}")
    if len(buffer) < HEADER.size + length:
        return None
    data = bytes(buffer[:HEADER.size + length])
    del buffer[:HEADER.size + length]
    if not known:
        return kind, flags, call, b"", b""  # Skipped whole: nothing inside of it is looked at.
    end = len(data)
    if flags & CHECKSUM:
        end -= 4
        if end < HEADER.size or crc32c(data[:end]) != int.from_bytes(data[end:], "big"):
            raise ProtocolError("a frame's checksum is wrong")
    if head_length > MAX_HEAD_BYTES or HEADER.size + head_length > end:
        raise ProtocolError(f"a head of {head_length} bytes in a payload of {length}")
    if call >> 63:
        raise ProtocolError("a call id with its highest bit set")
    body_at = HEADER.size + head_length
    if end - body_at > BIG_MESSAGE_BYTES:
        raise ProtocolError(f"a piece of {end - body_at} bytes, expected at most {BIG_MESSAGE_BYTES}")
    return kind, flags, call, data[HEADER.size:body_at], data[body_at:end]


# --- the client --------------------------------------------------------------------------------------------------


class Call:
    """A call that was sent. `result()` waits for its answer, `cancel()` gives it up."""

    def __init__(self, client, call_id, deadline):
        self.id = call_id
        self.metadata = {}  # what the handler said beside its answer
        self._client = client
        self._deadline = deadline
        self._pieces = bytearray()  # of a big answer, so far
        self._outcome = None  # a value in a tuple, or an exception

    def done(self):
        return self._outcome is not None

    def result(self):
        """The answer's value. Raises RpcError, of the server or because the time is over."""
        if not self._client._wait(self.done, self._deadline):
            self._give_up(DEADLINE_EXCEEDED, "the answer did not come in time")
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome[0]

    def cancel(self):
        """Gives the call up: tells the server that nobody waits any more. The server still answers, and that answer is dropped."""
        self._give_up(CANCELLED, "the call was cancelled")

    def _give_up(self, code, message):
        if not self.done():
            self._outcome = RpcError(code, message)
            self._client._send_cancel(self.id, code)


class Client:
    """One connection. Not for several threads at a time."""

    def __init__(self, sock, name="", service="", max_message_bytes=4 << 20):
        self.hello = None  # what the server said, once it has: {field number: values}
        self.goaway = None  # (last call, code, message), once the server has said so
        self._sock = sock
        self._buffer = bytearray()
        self._preface_seen = False
        self._ended = None
        self._calls = {}  # unanswered, by id: given up ones too, as each is answered once
        self._sequence = 0
        self._slots = 0  # slots that were ever used
        self._free_slots = []
        self._credit = 0  # bytes of big messages that may be sent
        self._pongs = 0
        self._max_message_bytes = max_message_bytes
        self._write(MAGIC + bytes([VERSION, 0, 0, 0]) + frame(HELLO, encode([
            (1, VERSION), (2, FLOOR_FRAME_BYTES), (3, max_message_bytes), (4, max_message_bytes),
            (5, FLOOR_STREAM_CREDIT), (6, FLOOR_CALLS), (7, "json"), (10, name), (11, service)])))

    @classmethod
    def connect(cls, address, connect_timeout=3.0, **options):
        """`tcp://host:port` or `unix:///path`. Does not wait for the server's HELLO: a call may go right behind."""
        scheme, _, rest = address.partition("://")
        if scheme == "tcp":
            host, _, port = rest.rpartition(":")
            sock = socket.create_connection((host, int(port)), timeout=connect_timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        elif scheme == "unix":
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(connect_timeout)
            sock.connect(rest)
        else:
            raise ValueError(f"bad address {address!r}, expected tcp://host:port or unix:///path")
        return cls(sock, **options)

    def call(self, method, arguments=None, **options):
        """Makes a call and returns the answer's value; see `start`."""
        return self.start(method, arguments, **options).result()

    def call_many(self, calls, **options):
        """Makes several calls at a time, `(method, arguments)` each; returns values, and RpcErrors in their places."""
        def outcome(call):
            try:
                return call.result()
            except RpcError as error:
                return error

        return [outcome(call) for call in [self.start(*call, **options) for call in calls]]

    def start(self, method, arguments=None, timeout=10.0, metadata=None):
        """Sends a call and returns it without waiting for the answer. `timeout` is in seconds; None is for ever."""
        deadline = None if timeout is None else time.monotonic() + timeout
        body = json.dumps(arguments or {}).encode()
        self._await_room(deadline)
        self._await_credit(body, deadline)
        slot = self._free_slots.pop() if self._free_slots else self._slots
        self._slots = max(self._slots, slot + 1)
        call = Call(self, self._next_id(slot), deadline)
        head = self._request_head(method, deadline, metadata, oneway=False)
        self._calls[call.id] = call
        self._send_message(call.id, head, body, call)
        return call

    def oneway(self, method, arguments=None, metadata=None):
        """Sends a call that is not answered."""
        self._read(0)  # Whoever only sends would not hear that the server is going away.
        self._check_open()
        body = json.dumps(arguments or {}).encode()
        self._await_credit(body, time.monotonic() + 10.0)
        head = self._request_head(method, None, metadata, oneway=True)
        self._send_message(self._next_id(ONEWAY_SLOT), head, body, None)

    def ready(self, timeout=3.0):
        """Waits for the server's HELLO."""
        if not self._wait(lambda: self.hello is not None, time.monotonic() + timeout):
            raise ConnectionEnded(f"the server did not say HELLO within {timeout} s")

    def ping(self, timeout=5.0):
        """Asks the server for a sign of life; returns the seconds it took."""
        self.ready(timeout)
        begun, pongs = time.monotonic(), self._pongs
        self._write(frame(PING, body=b"pingpong", checksum=self._wants_checksum()))
        if not self._wait(lambda: self._pongs > pongs, begun + timeout):
            raise ConnectionEnded("the server does not answer")
        return time.monotonic() - begun

    def drained(self, timeout=30.0):
        """Waits until the server has ended the connection, and returns why: a GOAWAY's code and message."""
        try:
            self._wait(lambda: False, time.monotonic() + timeout)
        except ConnectionEnded as end:
            return end.code, str(end)
        raise ConnectionEnded(f"the server did not end the connection within {timeout} s")

    def close(self):
        self._end(ConnectionEnded("the connection was closed"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- sending

    def _next_id(self, slot):
        self._sequence += 1
        return self._sequence << SLOT_BITS | slot

    def _request_head(self, method, deadline, metadata, oneway):
        if not 0 < len(method.encode()) <= MAX_METHOD_BYTES:
            raise RpcError(INVALID_ARGUMENT, "a method path has 1 to 255 bytes", executed="no")
        fields = [(1, method), (2, "json")]
        if deadline is not None:
            left = round((deadline - time.monotonic()) * 1_000_000)
            if left <= 0:
                raise RpcError(DEADLINE_EXCEEDED, "the time was over before the call was sent", executed="no")
            fields.append((4, left))
        total = 0
        for key, value in (metadata or {}).items():
            value = value.encode() if isinstance(value, str) else value
            total += len(key) + len(value)
            if not METADATA_KEY.match(key):
                raise RpcError(INVALID_ARGUMENT, f"bad metadata key {key!r}", executed="no")
            fields.append((9, encode([(1, key), (2, value)])))
        if total > MAX_METADATA_BYTES or len(metadata or {}) > MAX_METADATA_ENTRIES:
            raise RpcError(INVALID_ARGUMENT, "too much metadata", executed="no")
        if oneway:
            fields.append((10, 1))
        return encode(fields)

    def _send_message(self, call_id, head, body, call):
        """A REQUEST, and for a big body DATA frames behind it, all but the last with MORE."""
        pieces = [body[at:at + BIG_MESSAGE_BYTES] for at in range(0, len(body), BIG_MESSAGE_BYTES)] or [b""]
        for index, piece in enumerate(pieces):
            if index:
                self._read(0)  # The server may say something meanwhile, and may have ended the call.
                if call is not None and call.done():
                    return
            last = index == len(pieces) - 1
            self._write(frame(DATA if index else REQUEST, b"" if index else head, piece, call_id,
                              END if last else MORE, self._wants_checksum()))

    def _send_cancel(self, call_id, code):
        if self._ended is None:
            self._write(frame(CANCEL, encode([(1, code)]), call=call_id, checksum=self._wants_checksum()))

    def _wants_checksum(self):
        return self.hello is not None and integer(self.hello, 9) != 0

    def _write(self, data):
        if self._ended is not None:
            raise self._ended
        try:
            # Blocks while the server does not read, which it always does: it never waits for this end to read.
            self._sock.settimeout(30.0)
            self._sock.sendall(data)
        except OSError as error:
            # What the server said before it hung up explains more than a broken pipe does.
            while self._ended is None and self._read(0):
                pass
            raise self._end(ConnectionEnded(f"the connection broke: {error}")) from None

    def _await_room(self, deadline):
        """A server takes so many calls at a time; one is over when it is answered, not when it is given up."""
        def room():
            self._check_open()
            limit = FLOOR_CALLS if self.hello is None else min(integer(self.hello, 6), ONEWAY_SLOT)
            return len(self._calls) < limit

        if not self._wait(room, deadline):
            raise RpcError(DEADLINE_EXCEEDED, "the time was over before the call was sent", executed="no")

    def _await_credit(self, body, deadline):
        """A big message needs credit for all of it before its first frame."""
        if len(body) <= BIG_MESSAGE_BYTES:
            return
        if not self._wait(lambda: self.hello is not None, deadline):
            raise RpcError(DEADLINE_EXCEEDED, "the server did not say HELLO in time", executed="no")
        limit = integer(self.hello, 3)
        if len(body) > limit:
            raise RpcError(RESOURCE_EXHAUSTED, f"the arguments take {len(body)} bytes, the server takes {limit}",
                           executed="no")
        if not self._wait(lambda: self._credit >= len(body), deadline):
            raise RpcError(DEADLINE_EXCEEDED, "the server gave no credit in time", executed="no")
        self._check_open()
        self._credit -= len(body)

    # --- receiving

    def _wait(self, done, deadline=None):
        """Reads until `done()`; False if that takes too long. Raises if the connection is over first."""
        while not done():
            if self._ended is not None:
                raise self._ended
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            self._read(left)
        return True

    def _read(self, timeout):
        """Reads once, for at most so long, and handles what came; whether anything did."""
        if self._ended is not None:
            return False
        try:
            self._sock.settimeout(timeout)
            data = self._sock.recv(65_536)
        except (socket.timeout, BlockingIOError):
            return False
        except OSError as error:
            self._end(ConnectionEnded(f"the connection broke: {error}"))
            return False
        if not data:
            self._end(ConnectionEnded("the server closed the connection"))
            return False
        self._buffer += data
        try:
            self._handle_buffer()
        except ProtocolError as error:
            if self._preface_seen:
                self._say_goodbye(str(error))
            raise self._end(error)
        return True

    def _handle_buffer(self):
        if not self._preface_seen:
            known = bytes(self._buffer[:4])
            if known != MAGIC[:len(known)]:
                raise ProtocolError(f"the peer does not speak this protocol: it begins with {known!r}")
            if len(self._buffer) < 8:
                return
            if self._buffer[4] != VERSION:
                raise ProtocolError(f"the server speaks version {self._buffer[4]}, this client version {VERSION}")
            del self._buffer[:8]
            self._preface_seen = True
        while True:
            found = take_frame(self._buffer, FLOOR_FRAME_BYTES)
            if found is None:
                return
            if not found[0] & IGNORABLE_KIND:
                self._handle(*found)

    def _handle(self, kind, flags, call_id, head, body):
        if self.hello is None and kind not in (HELLO, GOAWAY):
            raise ProtocolError(f"the first frame is of kind {kind}, expected HELLO")
        if kind == HELLO:
            self._greeted(decode(head))
        elif kind == RESPONSE:
            self._answered(call_id, decode(head), body)
        elif kind == DATA:
            self._piece(call_id, body)
        elif kind == CREDIT:
            if call_id == 0:  # That of a call is for streams.
                self._credit += integer(decode(head), 1)
        elif kind == PING:
            self._write(frame(PONG, body=body, checksum=self._wants_checksum()))
        elif kind == PONG:
            self._pongs += 1
        elif kind == GOAWAY:
            self._going_away(decode(head))
        else:
            raise ProtocolError(f"a client got a frame of kind {kind}")

    def _greeted(self, hello):
        if self.hello is not None:
            raise ProtocolError("a second HELLO")
        floors = [(2, FLOOR_FRAME_BYTES), (3, BIG_MESSAGE_BYTES), (4, integer(hello, 3)), (5, FLOOR_STREAM_CREDIT),
                  (6, FLOOR_CALLS)]
        for number, least in floors:
            if integer(hello, number) < least:
                raise ProtocolError(f"field {number} of the HELLO is {integer(hello, number)}, at least {least}")
        self.hello = hello
        self._credit += integer(hello, 4)

    def _piece(self, call_id, body):
        """A piece of a big answer; its last one comes with the RESPONSE."""
        call = self._calls.get(call_id)
        if call is None:
            self._give_credit(len(body))
            return
        call._pieces += body
        if len(call._pieces) > self._max_message_bytes:
            raise ProtocolError(f"an answer of more than {self._max_message_bytes} bytes")

    def _answered(self, call_id, head, body):
        call = self._calls.pop(call_id, None)
        if call is None:
            return
        self._free_slots.append(call_id & ONEWAY_SLOT)
        if call._pieces:
            body = bytes(call._pieces) + body
            self._give_credit(len(body))
        for key, value in pairs(head, 6):
            call.metadata.setdefault(key, value)  # A key may come more than once; this client keeps the first.
        if not call.done():  # Else it was given up, and this is only the server's last word on it.
            call._outcome = self._outcome(head, body, call.metadata)

    def _outcome(self, head, body, metadata):
        code, typed = integer(head, 1), integer(head, 3) != 0
        try:
            value = json.loads(body) if code == 0 or typed else None
        except ValueError as error:
            return RpcError(UNKNOWN, f"the answer is no JSON: {error}", executed="yes", metadata=metadata)
        if code == 0:
            return (value,)
        executed, retry_after = integer(head, 8), integer(head, 7, None)
        return RpcError(code, text(head, 2), error=value, metadata=metadata, details=pairs(head, 5),
                        executed=EXECUTED[executed] if executed < len(EXECUTED) else "maybe",
                        retry_after=None if retry_after is None else retry_after / 1_000_000)

    def _give_credit(self, amount):
        if amount:
            self._write(frame(CREDIT, encode([(1, amount)]), checksum=self._wants_checksum()))

    def _going_away(self, head):
        last_call, code, message = integer(head, 1), integer(head, 2), text(head, 3)
        self.goaway = last_call, code, message
        for call in [call for call in self._calls.values() if call.id > last_call]:
            del self._calls[call.id]
            if not call.done():
                call._outcome = RpcError(UNAVAILABLE, f"the server is going away: {message}", executed="no")
        if code not in (DRAIN, AGE):
            self._end(ConnectionEnded(f"the server ended the connection: {message}", code))

    def _check_open(self):
        if self._ended is not None:
            raise self._ended
        if self.goaway is not None:
            raise ConnectionEnded(f"the server takes no more calls: {self.goaway[2] or 'it drains'}", self.goaway[1])

    def _say_goodbye(self, why):
        try:
            self._sock.settimeout(1.0)
            self._sock.sendall(frame(GOAWAY, encode([(2, PROTOCOL_ERROR), (3, why)])))
        except OSError:
            pass  # It is over anyway.

    def _end(self, why):
        """The connection is over, and with it the calls that wait; returns what it ended with."""
        if self._ended is None:
            if self.goaway is not None and why.code is None:
                why = ConnectionEnded(str(why), self.goaway[1])
            self._ended = why
            self._sock.close()
            for call in self._calls.values():
                if not call.done():
                    call._outcome = RpcError(UNAVAILABLE, str(why))
            self._calls.clear()
        return self._ended
