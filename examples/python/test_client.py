"""The Python client against a server in Rust, and against a peer that says exactly what a test tells it.

Run by scripts/test.sh; by hand: build the server with `cargo build -p examples --example rates_server`, and then
`python3 examples/python/test_client.py`. RATES_SERVER names the program where it is not in target/debug/examples.
"""

import contextlib
import json
import os
import pathlib
import queue
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import rpc_client as rpc  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
SERVER = os.environ.get("RATES_SERVER", str(TARGET / "debug" / "examples" / "rates_server"))
PATIENCE = 30.0  # seconds that a busy machine may take for what takes none

USD_TO_EUR = {"amount": "100", "from": "USD", "to": "EUR", "date": "2024-03-01"}
IN_EUR = "92.4813"  # 100 / 1.0813, the rate in the file


class RatesServer:
    """A rates_server on a port of its own (or a Unix socket)."""

    def __init__(self, *options, listen="127.0.0.1:0"):
        self.process = subprocess.Popen([SERVER, "--listen", listen, "--name", "py-test", *options],
                                        stdout=subprocess.PIPE, text=True)
        lines = queue.Queue()
        self._reader = threading.Thread(target=lambda: [lines.put(line) for line in self.process.stdout], daemon=True)
        self._reader.start()
        try:
            first = lines.get(timeout=PATIENCE)
            self.address = first.strip().removeprefix("listening on ")
        except BaseException as error:
            self.stop()  # Nobody else knows of the process yet.
            if isinstance(error, queue.Empty):
                raise AssertionError("the server did not say where it listens") from None
            raise

    def client(self, **options):
        return rpc.Client.connect(self.address, service="bank.Rates", **options)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        self.process.stdout.close()


@contextlib.contextmanager
def rates_server(*options, **kwargs):
    server = RatesServer(*options, **kwargs)
    try:
        yield server
    finally:
        server.stop()


def eventually(what, holds):
    """Asks until it holds. It has to, so that a pass takes no longer than it must."""
    until = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > until:
            raise AssertionError(f"never came true: {what}")
        time.sleep(0.005)


class AgainstThePage(unittest.TestCase):
    """The dumps in docs/PROTOCOL.md, which a test in Rust holds equal to what the code sends."""

    PAGE = (ROOT / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")

    def dumps(self):
        for name, dump in re.findall(r"```hex ([\w-]+)\n(.*?)```", self.PAGE, re.DOTALL):
            data = bytearray()
            for line in dump.splitlines():
                line = line.partition("#")[0]
                byte, times, count = line.partition("*")
                data += bytes.fromhex(byte) * (int(count) if times else 1)
            yield name, data

    def test_every_dump_can_be_read(self):
        kinds = set()
        for name, data in self.dumps():
            if name == "preface":
                self.assertEqual(bytes(data), rpc.MAGIC + b"\x01\0\0\0")
                continue
            while data:
                with self.subTest(name):
                    kind, flags, call, head, body = rpc.take_frame(data, rpc.FLOOR_FRAME_BYTES)
                    rpc.decode(head)
                    kinds.add(kind)
        self.assertTrue(kinds >= set(range(rpc.HELLO, rpc.GOAWAY + 1)), kinds)

    def test_this_client_writes_the_same_bytes(self):
        dumps = dict(self.dumps())
        head = rpc.encode([(1, "shop.Inventory/price"), (2, "json"), (4, 200_000)])
        body = b'{"sku":"A-17"}'
        self.assertEqual(rpc.frame(rpc.REQUEST, head, body, 1 << 20, rpc.END), dumps["request-json"])
        self.assertEqual(rpc.frame(rpc.REQUEST, head, body, 1 << 20, rpc.END, checksum=True), dumps["request-checksum"])
        self.assertEqual(rpc.frame(rpc.CANCEL, rpc.encode([(1, 1)]), call=7 << 20), dumps["cancel"])
        self.assertEqual(rpc.frame(rpc.CREDIT, rpc.encode([(1, 40_000)])), dumps["credit"])


class AgainstRust(unittest.TestCase):
    """Calls to a real server."""

    @classmethod
    def setUpClass(cls):
        cls.server = RatesServer()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.client = self.server.client(name="python")
        self.addCleanup(self.client.close)

    def refused(self, method, arguments, **options):
        with self.assertRaises(rpc.RpcError) as caught:
            self.client.call(method, arguments, **options)
        return caught.exception

    def test_a_call(self):
        self.assertEqual(self.client.call("bank.Rates/convert", USD_TO_EUR), IN_EUR)

    def test_no_arguments_and_structures_in_the_answer(self):
        currencies = self.client.call("bank.Rates/currencies")
        self.assertIn({"name": "HRK", "first": "2020-01-02", "last": "2022-12-30"}, currencies)

    def test_the_server_says_hello(self):
        self.client.ready()
        self.assertEqual(rpc.text(self.client.hello, 10), "py-test")
        self.assertIn(b"json", self.client.hello[7])

    def test_metadata_both_ways(self):
        call = self.client.start("bank.Rates/currencies", metadata={"request-id": b"\x00\xff", "tenant": "eu"})
        call.result()
        self.assertEqual(call.metadata, {"server": b"py-test", "request-id": b"\x00\xff"})

    def test_bad_metadata_is_not_sent(self):
        for metadata in [{"Tenant": "x"}, {"rpc-x": "x"}, {"": "x"}, {"a": "x" * 16_384}, {f"k{n}": "" for n in range(65)}]:
            error = self.refused("bank.Rates/currencies", None, metadata=metadata)
            self.assertEqual((error.code, error.executed), (rpc.INVALID_ARGUMENT, "no"))
        self.assertEqual(self.client.call("bank.Rates/convert", USD_TO_EUR), IN_EUR)

    def test_a_typed_error(self):
        error = self.refused("bank.Rates/convert", dict(USD_TO_EUR, date="2024-03-02"))
        self.assertEqual(error.error, {"NoRate": {"currency": "USD", "date": "2024-03-02",
                                                  "before": "2024-03-01", "after": "2024-03-04"}})
        self.assertEqual(rpc.CODES[error.code], "not found")
        self.assertEqual(error.message,
                         "no rate of USD on 2024-03-02; the nearest are of 2024-03-01 and 2024-03-04")
        self.assertEqual((error.executed, error.metadata), ("yes", {"server": b"py-test"}))

    def test_bad_arguments(self):
        error = self.refused("bank.Rates/convert", dict(USD_TO_EUR, date="yesterday"))
        self.assertEqual((error.code, error.error, error.executed), (rpc.INVALID_ARGUMENT, None, "no"))
        self.assertIn("`yesterday` is no day", error.message)

    def test_unknown_method(self):
        error = self.refused("bank.Rates/invert", {})
        self.assertEqual((rpc.CODES[error.code], error.executed), ("unimplemented", "no"))
        self.assertIn("unknown method `invert`", error.message)

    def test_oneway(self):
        self.client.oneway("bank.Rates/viewed", {"currency": "SEK"})
        self.client.oneway("bank.Rates/viewed", {"currency": "no currency: fails, and nobody is told"})
        # The answer to a call behind it says that it has arrived.
        self.assertEqual(self.client.call("bank.Rates/seen")["views"], {"SEK": 1})

    def test_many_at_a_time(self):
        days = ["2024-03-01", "2024-03-02", "2024-03-04"] * 50
        outcomes = self.client.call_many([("bank.Rates/convert", dict(USD_TO_EUR, date=day)) for day in days])
        for day, outcome in zip(days, outcomes):
            if day == "2024-03-02":
                self.assertIn("NoRate", outcome.error)
            else:
                self.assertEqual(outcome, {"2024-03-01": IN_EUR, "2024-03-04": "92.1999"}[day])

    def test_big_messages_both_ways_and_their_credit(self):
        # 4 MB there and 0.6 MB back, and so often that each end has to give credit back: 16 MiB and 4 MiB of it.
        lines = [USD_TO_EUR] * 58_000
        self.assertGreater(len(json.dumps({"lines": lines})), 4_000_000)
        small = None
        for _ in range(8):
            big = self.client.start("bank.Rates/convert_all", {"lines": lines}, timeout=PATIENCE)
            small = small or self.client.start("bank.Rates/convert", USD_TO_EUR, timeout=PATIENCE)
            self.assertEqual(big.result(), [IN_EUR] * len(lines))
        self.assertEqual(small.result(), IN_EUR)
        with self.assertRaises(rpc.RpcError) as caught:
            self.client.call("bank.Rates/convert_all", {"lines": lines * 2})
        self.assertEqual((rpc.CODES[caught.exception.code], caught.exception.executed), ("resource exhausted", "no"))

    def test_an_answer_that_is_too_big_for_this_client(self):
        with self.server.client(max_message_bytes=40_000) as client:
            with self.assertRaises(rpc.RpcError) as caught:
                client.call("bank.Rates/convert_all", {"lines": [USD_TO_EUR] * 5_000})
            self.assertEqual(rpc.CODES[caught.exception.code], "resource exhausted")
            self.assertEqual(client.call("bank.Rates/convert", USD_TO_EUR), IN_EUR)

    def test_ping(self):
        self.assertGreaterEqual(self.client.ping(), 0.0)

    def test_unknown_ignorable_kinds_and_flags_are_skipped(self):
        self.client._write(rpc.frame(0x80, b"?" * 10, b"!" * 1000, call=77, flags=0xFF))
        self.client._write(rpc.frame(0xFE))
        self.client._write(rpc.frame(rpc.PING, body=b"12345678", flags=0xF0))
        self.assertEqual(self.client.call("bank.Rates/convert", USD_TO_EUR), IN_EUR)
        self.assertEqual(self.client._pongs, 1)

    def test_unknown_critical_ones_end_the_connection(self):
        for data, named in [(rpc.frame(0x2A), "42"), (rpc.frame(rpc.PING, body=b"12345678", flags=0x08), "08")]:
            with self.server.client() as client:
                client.ready()
                client._write(data)
                code, message = client.drained(PATIENCE)
                self.assertEqual(code, rpc.PROTOCOL_ERROR)
                self.assertIn(named, message)

    def test_call_ids_have_to_increase(self):
        self.client._sequence = 7
        self.client.call("bank.Rates/currencies")
        self.client._sequence = 5
        with self.assertRaises(rpc.RpcError) as caught:
            self.client.call("bank.Rates/currencies")
        self.assertIn("call ids increase", caught.exception.message)

    def test_a_hello_below_the_floors_is_refused(self):
        with socket.create_connection(self.address()) as sock:
            hello = rpc.encode([(1, 1), (2, 65_535), (3, 65_536), (4, 65_536), (5, 65_536), (6, 32)])
            sock.sendall(rpc.MAGIC + b"\x01\0\0\0" + rpc.frame(rpc.HELLO, hello))
            code, message = goaway_of(sock)
        self.assertEqual(code, rpc.PROTOCOL_ERROR)
        self.assertIn("max_frame_bytes", message)

    def test_another_version_is_refused(self):
        with socket.create_connection(self.address()) as sock:
            sock.sendall(rpc.MAGIC + b"\x09\0\0\0")
            code, message = goaway_of(sock)
        self.assertEqual(code, 5)
        self.assertIn("version 9", message)

    def test_another_version_is_told_which_one_the_server_speaks(self):
        with socket.create_connection(self.address()) as sock:
            sock.sendall(rpc.MAGIC + b"\x09\0\0\0")
            self.assertEqual(everything(sock)[:8], rpc.MAGIC + b"\x01\0\0\0")

    def test_the_wrong_service_is_refused(self):
        with rpc.Client.connect(self.server.address, service="shop.Inventory") as client:
            code, message = client.drained(PATIENCE)
        self.assertEqual(code, 3)
        self.assertIn("bank.Rates", message)

    def address(self):
        host, _, port = self.server.address.removeprefix("tcp://").rpartition(":")
        return host, int(port)


def everything(sock):
    """Reads to the end."""
    sock.settimeout(PATIENCE)
    data = bytearray()
    while True:
        more = sock.recv(65_536)
        if not more:
            return data
        data += more


def goaway_of(sock):
    """The code and message of the GOAWAY that a peer ends the connection with."""
    data, said = everything(sock), None
    if data.startswith(rpc.MAGIC):
        del data[:8]
    while data:
        kind, _, _, head, _ = rpc.take_frame(data, 65_536)
        if kind == rpc.GOAWAY:
            fields = rpc.decode(head)
            said = rpc.integer(fields, 2), rpc.text(fields, 3)
    return said


class AgainstASlowServer(unittest.TestCase):
    """Calls that take too long, and the end of a server."""

    def test_a_deadline(self):
        with rates_server("--slow", "60000") as server, server.client() as client:
            with self.assertRaises(rpc.RpcError) as caught:
                client.call("bank.Rates/convert", USD_TO_EUR, timeout=0.1)
            self.assertEqual(caught.exception.code, rpc.DEADLINE_EXCEEDED)
            eventually("the server gave up as well", lambda: client.call("bank.Rates/seen")["given_up"] == 1)
            self.assertEqual(client._calls, {}, "a call that was given up is answered all the same")

    def test_no_time_at_all_is_not_sent(self):
        with rates_server() as server, server.client() as client:
            with self.assertRaises(rpc.RpcError) as caught:
                client.call("bank.Rates/convert", USD_TO_EUR, timeout=0)
            self.assertEqual((caught.exception.code, caught.exception.executed), (rpc.DEADLINE_EXCEEDED, "no"))
            self.assertEqual(client.call("bank.Rates/seen")["finished"], 0)

    def test_cancel(self):
        with rates_server("--slow", "60000") as server, server.client() as client:
            call = client.start("bank.Rates/convert", USD_TO_EUR, timeout=PATIENCE)
            eventually("it runs", lambda: client.call("bank.Rates/seen")["running"] == 1)
            call.cancel()
            with self.assertRaises(rpc.RpcError) as caught:
                call.result()
            self.assertEqual(caught.exception.code, rpc.CANCELLED)
            eventually("the server noticed", lambda: client.call("bank.Rates/seen")["given_up"] == 1)
            self.assertEqual(client._calls, {}, "a call that was cancelled is answered all the same")

    def test_a_drain_finishes_what_runs_and_takes_nothing_more(self):
        with rates_server("--slow", "1000") as server, server.client() as client:
            call = client.start("bank.Rates/convert", USD_TO_EUR, timeout=PATIENCE)
            eventually("it runs", lambda: client.call("bank.Rates/seen")["running"] == 1)
            server.process.send_signal(signal.SIGTERM)
            self.assertTrue(client._wait(lambda: client.goaway is not None, time.monotonic() + PATIENCE))
            with self.assertRaises(rpc.ConnectionEnded):
                client.call("bank.Rates/convert", USD_TO_EUR)
            self.assertEqual(call.result(), IN_EUR)
            self.assertEqual(client.drained(PATIENCE)[0], rpc.DRAIN)
            self.assertEqual(server.process.wait(PATIENCE), 0)

    def test_a_killed_server(self):
        with rates_server("--slow", "60000") as server, server.client() as client:
            call = client.start("bank.Rates/convert", USD_TO_EUR, timeout=PATIENCE)
            eventually("it runs", lambda: client.call("bank.Rates/seen")["running"] == 1)
            server.process.kill()
            with self.assertRaises(rpc.RpcError) as caught:
                call.result()
            self.assertEqual((caught.exception.code, caught.exception.executed), (rpc.UNAVAILABLE, "maybe"))

    @unittest.skipUnless(hasattr(socket, "AF_UNIX"), "no Unix sockets on this system")
    def test_a_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder, rates_server(listen=f"unix://{folder}/rates") as server:
            self.assertEqual(server.address, f"unix://{folder}/rates")
            with server.client() as client:
                self.assertEqual(client.call("bank.Rates/convert", USD_TO_EUR), IN_EUR)


class AgainstAScript(unittest.TestCase):
    """What the client makes of a peer that no good server is."""

    def setUp(self):
        near, self.peer = socket.socketpair()
        self.addCleanup(self.peer.close)
        self.peer.settimeout(PATIENCE)
        self.heard = bytearray()
        self.client = rpc.Client(near, name="me", service="a.B")
        self.addCleanup(self.client.close)

    def greet(self, **changes):
        limits = {"version": 1, "frame": 65_536, "message": 100_000, "credit": 100_000, "stream": 65_536, "calls": 32,
                  "checksum": 0, **changes}
        fields = [(number, limits[name]) for number, name in
                  [(1, "version"), (2, "frame"), (3, "message"), (4, "credit"), (5, "stream"), (6, "calls"),
                   (9, "checksum")]]
        self.peer.sendall(rpc.MAGIC + b"\x01\0\0\0" + rpc.frame(rpc.HELLO, rpc.encode(fields)))

    def listen(self):
        """The frames the client has sent so far, without its preface."""
        self.peer.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                data = self.peer.recv(1 << 20)
                if not data:
                    break
                self.heard += data
        self.peer.settimeout(PATIENCE)
        data = bytearray(self.heard)
        self.assertEqual(data[:8], b"\xf2RPC\x01\0\0\0")
        del data[:8]
        frames = []
        while data:
            frames.append(rpc.take_frame(data, 1 << 20))
        return frames

    def respond(self, call_id, value, head=()):
        self.peer.sendall(rpc.frame(rpc.RESPONSE, rpc.encode(head), json.dumps(value).encode(), call_id))

    def test_the_bytes_of_a_call(self):
        self.client.start("a.B/c", {"d": 1}, timeout=None)
        kind, flags, call, head, body = self.listen()[1]
        self.assertEqual((kind, flags, call, body), (rpc.REQUEST, rpc.END, 1 << 20, b'{"d": 1}'))
        self.assertEqual(head, b"\x0a\x05a.B/c\x12\x04json")
        self.assertTrue(self.heard.endswith(bytes.fromhex("00000015 02 02 000d 0000000000100000") + head + body))

    def test_its_hello_keeps_to_the_floors(self):
        [(kind, _, call, head, body)] = self.listen()
        hello = rpc.decode(head)
        self.assertEqual((kind, call, body), (rpc.HELLO, 0, b""))
        self.assertGreaterEqual(rpc.integer(hello, 2), 65_536)
        self.assertGreaterEqual(rpc.integer(hello, 4), rpc.integer(hello, 3))
        self.assertGreaterEqual(rpc.integer(hello, 6), 32)
        self.assertEqual((rpc.text(hello, 10), rpc.text(hello, 11)), ("me", "a.B"))

    def test_calls_go_behind_its_hello_up_to_the_floor(self):
        for _ in range(32):
            self.client.start("a.B/c")
        with self.assertRaises(rpc.RpcError) as caught:
            self.client.start("a.B/c", timeout=0.02)
        self.assertEqual((caught.exception.code, caught.exception.executed), (rpc.DEADLINE_EXCEEDED, "no"))
        self.assertEqual(len(self.listen()), 1 + 32)
        self.greet(calls=33)
        self.client.start("a.B/c")
        self.assertEqual(len(self.listen()), 1 + 33)

    def test_slots_are_used_again_and_ids_increase(self):
        self.greet()
        ids = []
        for _ in range(3):
            call = self.client.start("a.B/c")
            ids.append(call.id)
            self.respond(call.id, "x")
            self.assertEqual(call.result(), "x")
        self.assertEqual(ids, [1 << 20, 2 << 20, 3 << 20])

    def test_a_given_up_call_holds_its_place_until_it_is_answered(self):
        self.greet()
        calls = [self.client.start("a.B/c") for _ in range(32)]
        calls[0].cancel()
        with self.assertRaises(rpc.RpcError):
            self.client.start("a.B/c", timeout=0.02)
        self.assertEqual(self.listen()[-1], (rpc.CANCEL, 0, calls[0].id, b"\x08\x01", b""))
        self.respond(calls[0].id, None, [(1, 1)])
        self.client.start("a.B/c")
        with self.assertRaises(rpc.RpcError) as caught:
            calls[0].result()
        self.assertEqual(caught.exception.code, rpc.CANCELLED)

    def test_a_big_message_waits_for_hello_and_for_credit_for_all_of_it(self):
        big = {"x": "y" * 40_000}  # 40,009 bytes
        with self.assertRaises(rpc.RpcError):
            self.client.start("a.B/c", big, timeout=0.02)
        self.assertEqual(len(self.listen()), 1, "there is no credit before HELLO")
        self.greet(message=60_000, credit=60_000)
        self.client.start("a.B/c", big)
        frames = self.listen()[1:]
        self.assertEqual([(kind, flags) for kind, flags, *_ in frames],
                         [(rpc.REQUEST, rpc.MORE), (rpc.DATA, rpc.END)])
        self.assertEqual([len(body) for *_, body in frames], [32_768, 7_241])
        self.assertEqual(json.loads(b"".join(body for *_, body in frames)), big)
        with self.assertRaises(rpc.RpcError):
            self.client.start("a.B/c", big, timeout=0.02)
        self.assertEqual(len(self.listen()), 3, "19,991 bytes of credit are left, and none of it is used")
        self.peer.sendall(rpc.frame(rpc.CREDIT, rpc.encode([(1, 20_017)])))
        with self.assertRaises(rpc.RpcError):
            self.client.start("a.B/c", big, timeout=0.02)
        self.peer.sendall(rpc.frame(rpc.CREDIT, rpc.encode([(1, 1)])))
        self.client.start("a.B/c", big)
        self.assertEqual(len(self.listen()), 5)

    def test_a_message_at_the_threshold_is_one_frame(self):
        body = {"x": "y" * (32_768 - len('{"x": ""}'))}
        self.client.start("a.B/c", body)
        self.assertEqual(self.listen()[-1][0:2], (rpc.REQUEST, rpc.END))
        self.assertEqual(len(self.listen()[-1][4]), 32_768)

    def test_a_big_answer_and_its_credit(self):
        self.greet()
        first, second = self.client.start("a.B/c"), self.client.start("a.B/c")
        value = "z" * 40_000
        body = json.dumps(value).encode()
        self.peer.sendall(rpc.frame(rpc.DATA, b"", body[:32_768], first.id, rpc.MORE))
        self.respond(second.id, "small, in between")
        self.assertEqual(second.result(), "small, in between")
        self.peer.sendall(rpc.frame(rpc.RESPONSE, b"", body[32_768:], first.id, rpc.END))
        self.assertEqual(first.result(), value)
        self.assertEqual(self.listen()[-1], (rpc.CREDIT, 0, 0, rpc.encode([(1, len(body))]), b""))

    def test_a_big_answer_that_nobody_waits_for_gives_its_credit_back(self):
        self.greet()
        call = self.client.start("a.B/c")
        self.peer.sendall(rpc.frame(rpc.DATA, b"", b"1" * 30_000, call.id, rpc.MORE))
        call.cancel()
        self.peer.sendall(rpc.frame(rpc.RESPONSE, b"", b"1" * 9_000, call.id))
        self.peer.sendall(rpc.frame(rpc.DATA, b"", b"1" * 500, 99 << 20, rpc.MORE))
        self.pump()
        credit = [rpc.integer(rpc.decode(head), 1) for kind, _, _, head, _ in self.listen() if kind == rpc.CREDIT]
        self.assertEqual(credit, [39_000, 500])

    def test_a_ping_is_answered(self):
        self.greet()
        self.peer.sendall(rpc.frame(rpc.PING, body=b"abcdefgh"))
        self.pump()
        self.assertEqual(self.listen()[-1], (rpc.PONG, 0, 0, b"", b"abcdefgh"))

    def test_unknown_ignorable_kinds_flags_and_fields_are_skipped(self):
        self.greet()
        call = self.client.start("a.B/c")
        self.peer.sendall(rpc.frame(0x81, b"\xff", b"x", call=call.id, flags=0x0F))
        self.peer.sendall(HEADER_THAT_LIES)
        head = rpc.encode([(100, "new"), (101, 7)]) + b"\xf9\x06" + b"8 bytes." + b"\xfd\x06" + b"four"
        self.peer.sendall(rpc.frame(rpc.RESPONSE, head, b'"ok"', call.id, 0xF0))
        self.assertEqual(call.result(), "ok")

    def test_unknown_critical_ones_are_refused_by_number(self):
        for data, says in [(rpc.frame(0x21), "unknown critical frame kind 33"),
                           (rpc.frame(rpc.PING, body=b"x" * 8, flags=8), "unknown critical flag 0x08")]:
            with self.subTest(says):
                self.setUp()
                self.greet()
                self.peer.sendall(data)
                with self.assertRaisesRegex(rpc.ProtocolError, says):
                    self.client.call("a.B/c")
                kind, _, _, head, _ = self.listen()[-1]
                self.assertEqual((kind, rpc.integer(rpc.decode(head), 2)), (rpc.GOAWAY, rpc.PROTOCOL_ERROR))
                self.assertIn(says, rpc.text(rpc.decode(head), 3))

    def test_what_makes_no_sense_ends_the_connection(self):
        header = rpc.HEADER.pack
        for says, data in [
            ("a frame of 70000 bytes", header(70_000, rpc.RESPONSE, 0, 0, 1)),
            ("a head of 5 bytes", header(4, rpc.RESPONSE, 0, 5, 1) + b"1234"),
            ("highest bit", header(0, rpc.RESPONSE, 0, 0, 1 << 63)),
            ("a second HELLO", rpc.frame(rpc.HELLO)),
            ("a frame of kind 2", rpc.frame(rpc.REQUEST, call=5)),
            ("a piece of 32769 bytes", rpc.frame(rpc.DATA, body=b"x" * 32_769, call=1, flags=rpc.MORE)),
            ("malformed", rpc.frame(rpc.GOAWAY, b"\x1a\x7f")),
            ("checksum is wrong", rpc.frame(rpc.PING, body=b"x" * 8, checksum=True)[:-1] + b"\0"),
        ]:
            with self.subTest(says):
                self.setUp()
                self.greet()
                self.peer.sendall(data)
                with self.assertRaisesRegex(rpc.ProtocolError, says):
                    self.client.call("a.B/c")

    def test_a_hello_below_the_floors_is_refused(self):
        for change in [{"frame": 65_535}, {"calls": 31}, {"stream": 65_535}, {"credit": 99_999}, {"message": 32_767}]:
            with self.subTest(change):
                self.setUp()
                self.greet(**change)
                with self.assertRaisesRegex(rpc.ProtocolError, "HELLO"):
                    self.client.ready()

    def test_frames_before_hello_are_refused(self):
        self.peer.sendall(rpc.MAGIC + b"\x01\0\0\0" + rpc.frame(rpc.PONG))
        with self.assertRaisesRegex(rpc.ProtocolError, "expected HELLO"):
            self.client.ready()

    def test_another_protocol_and_another_version(self):
        for data, says in [(b"HTTP/1.1 400 Bad Request\r\n", "does not speak this protocol"),
                           (rpc.MAGIC + b"\x02\0\0\0", "version 2")]:
            with self.subTest(says):
                self.setUp()
                self.peer.sendall(data)
                with self.assertRaisesRegex(rpc.ProtocolError, says):
                    self.client.ready()

    def test_checksums_if_the_server_wishes(self):
        self.greet(checksum=1)
        self.client.ready()
        call = self.client.start("a.B/c")
        self.assertTrue(self.listen()[-1][1] & rpc.CHECKSUM, "and take_frame has checked it")
        self.peer.sendall(rpc.frame(rpc.RESPONSE, b"", b"1", call.id, checksum=True))
        self.assertEqual(call.result(), 1)
        self.assertEqual(rpc.crc32c(b"123456789"), 0xE3069283)

    def test_goaway_names_the_last_call_that_runs(self):
        self.greet()
        first, second = self.client.start("a.B/c"), self.client.start("a.B/c")
        self.peer.sendall(rpc.frame(rpc.GOAWAY, rpc.encode([(1, first.id), (3, "bye")])))
        with self.assertRaises(rpc.RpcError) as caught:
            second.result()
        self.assertEqual((caught.exception.code, caught.exception.executed), (rpc.UNAVAILABLE, "no"))
        with self.assertRaisesRegex(rpc.ConnectionEnded, "bye"):
            self.client.start("a.B/c")
        self.respond(first.id, "done")
        self.assertEqual(first.result(), "done")

    def test_a_status_with_all_there_is(self):
        self.greet()
        call = self.client.start("a.B/c")
        detail, entry = rpc.encode([(1, "t"), (2, b"\0")]), rpc.encode([(1, "k"), (2, b"v")])
        head = [(1, 8), (2, "full"), (5, detail), (6, entry), (7, 1_500_000), (8, 1), (11, 1)]
        self.peer.sendall(rpc.frame(rpc.RESPONSE, rpc.encode(head), b"", call.id))
        with self.assertRaises(rpc.RpcError) as caught:
            call.result()
        error = caught.exception
        self.assertEqual((str(error), error.executed, error.retry_after, error.details, error.metadata),
                         ("resource exhausted: full", "no", 1.5, [("t", b"\0")], {"k": b"v"}))

    def test_an_unknown_code_is_unknown(self):
        self.greet()
        call = self.client.start("a.B/c")
        self.respond(call.id, None, [(1, 999), (2, "new")])
        with self.assertRaises(rpc.RpcError) as caught:
            call.result()
        self.assertEqual((caught.exception.code, caught.exception.executed), (rpc.UNKNOWN, "maybe"))

    def pump(self):
        """Has the client read all there is: a last PONG says that it has."""
        self.client.ready()
        pongs = self.client._pongs
        self.peer.sendall(rpc.frame(rpc.PONG))
        self.assertTrue(self.client._wait(lambda: self.client._pongs > pongs, time.monotonic() + PATIENCE))


# An ignorable frame whose head is longer than its payload: nothing inside of it is looked at.
HEADER_THAT_LIES = struct.pack(">IBBHQ", 3, 0xC0, 0, 60_000, 1 << 63) + b"abc"


if __name__ == "__main__":
    if not os.access(SERVER, os.X_OK):
        sys.exit(f"{SERVER} is not there; build it: cargo build -p examples --example rates_server")
    unittest.main()
