"""A client's side of a Live session, each step over a real socket against a server that does exactly as told."""

import asyncio
import json
import time
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha1
from itertools import pairwise
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from understudy.conformance.driver import Aim, Driver, address_of
from understudy.conformance.model import Converse, Conversed, Probe
from understudy.conformance.played_time import SPARE_S, is_timed, session_limit_s
from understudy.conformance.probes import library_probe, live_probe
from understudy.conformance.target import Target
from understudy.messages import BINARY, TEXT
from understudy.scenario.audio import frame_pcm
from understudy.scenario.model import (
    Branch,
    Case,
    Fault,
    Payload,
    Receive,
    ReceiveUntil,
    Repeat,
    Scenario,
    Send,
    SendAudio,
    Step,
)
from understudy.scenario.parse import parse_scenario
from understudy.surfaces import Surface

TARGET = Target("double", frozenset({"vertex-live"}))
Handle = Callable[[ServerConnection], Awaitable[None]]


async def never() -> None:
    """No probe here waits for the provider."""
    raise AssertionError("nobody asks for that")


@asynccontextmanager
async def live_server(handle: Handle) -> AsyncIterator[str]:
    async with serve(handle, "127.0.0.1", 0, compression=None, max_size=None) as listening:
        host, port = next(iter(listening.sockets)).getsockname()
        yield f"http://{host}:{port}"


async def talked(handle: Handle, *steps: Step, speed: float = 0.0, limit_s: float = 15.0) -> Conversed:
    """What the client saw of a session in which it does these steps."""
    move = Converse(steps, limit_s=limit_s)  # type: ignore[arg-type]
    async with live_server(handle) as url:
        driver = Driver(Aim(address_of(url, None), "", TARGET, "s1", "header", "http://up:1"), never)
        probe = live_probe("x", "x", move, [{"receive": "any"}], surface=Surface.VERTEX_LIVE, speed=speed)
        async with asyncio.timeout(20):
            await driver.play(probe)
    [one] = driver.conversed
    return one


def said(value: Any, opcode: int = BINARY, fault: Fault | None = None) -> Send:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Send(Payload((data,), "bytes"), opcode, fault)


def saying(*messages: Any, closes: bool = False) -> Handle:
    async def handle(socket: ServerConnection) -> None:
        for message in messages:
            await socket.send(json.dumps(message).encode())
        if closes:
            await socket.close(1000)
        await socket.wait_closed()

    return handle


class Listener:
    """A server that writes down what it hears, with the times, and answers the messages of `answers` by their place."""

    def __init__(self, answers: dict[int, Any] | None = None) -> None:
        self.heard: list[str | bytes] = []
        self.times: list[float] = []
        self.close_code: int | None = None
        self._answers = answers or {}

    async def __call__(self, socket: ServerConnection) -> None:
        try:
            async for message in socket:
                self.heard.append(message)
                self.times.append(asyncio.get_running_loop().time())
                if len(self.heard) in self._answers:
                    await socket.send(json.dumps(self._answers[len(self.heard)]).encode())
        except ConnectionClosed:
            pass
        self.close_code = socket.close_code


# ---- audio


async def test_audio_goes_out_in_the_clients_own_messages():
    audio = SendAudio(0.1, 0.04, 16000, 440.0)
    server = Listener()
    one = await talked(server, audio)
    blobs = [json.loads(message)["realtimeInput"]["audio"] for message in server.heard]
    assert [blob["mimeType"] for blob in blobs] == ["audio/pcm;rate=16000"] * 3
    assert [b64decode(blob["data"]) for blob in blobs] == [frame_pcm(audio, index) for index in range(3)]
    assert [len(b64decode(blob["data"])) for blob in blobs] == [1280, 1280, 640] and one.problem is None


async def test_audio_at_real_time_takes_its_time_and_at_double_speed_half_of_it():
    loop = asyncio.get_running_loop()
    for speed, at_least in ((1.0, 0.18), (2.0, 0.09)):
        server, began = Listener(), loop.time()
        one = await talked(server, SendAudio(0.2, 0.02, 16000, pace=1.0), speed=speed)
        # Ten frames: the last one is due nine frames after the first. A wait never ends early.
        assert len(server.heard) == 10 and server.times[-1] - began >= at_least and one.problem is None


async def test_frames_that_are_late_are_caught_up_with():
    class Blocking(Listener):
        async def __call__(self, socket: ServerConnection) -> None:
            await socket.recv()
            # The loop that both sides share stands still for five frames.
            time.sleep(0.1)  # noqa: ASYNC251 - it is meant to block
            await super().__call__(socket)

    one = await talked(Blocking(), SendAudio(0.3, 0.02, 16000, pace=1.0), speed=1.0)
    at = [frame.at for frame in one.session.sent_by("client")]
    # By waits from frame to frame no two would be closer than a frame's length.
    assert len(at) == 15 and sum(later - earlier < 0.01 for earlier, later in pairwise(at)) >= 3


async def test_silence_and_a_file_are_audio_too():
    server = Listener()
    await talked(server, SendAudio(0.02, 0.02, 16000, 0.0), SendAudio(0.0, 0.02, 16000, pcm=b"\x01\x02" * 320))
    data = [b64decode(json.loads(message)["realtimeInput"]["audio"]["data"]) for message in server.heard]
    assert data == [bytes(640), b"\x01\x02" * 320]


async def test_a_message_that_fits_ends_the_audio_and_others_are_let_pass():
    stop = {"serverContent": {"interrupted": True}}
    server = Listener({2: {"serverContent": {}}, 4: stop})
    audio = SendAudio(2.0, 0.02, 16000, pace=1.0, interrupt_on=stop)
    one = await talked(server, audio, said({"realtimeInput": {"text": "after"}}), speed=1.0)
    assert 4 <= len(server.heard) < 60 and json.loads(server.heard[-1]) == {"realtimeInput": {"text": "after"}}
    assert one.problem is None


async def test_audio_without_an_interruption_leaves_messages_to_the_next_step():
    server = Listener({1: {"a": 1}})
    one = await talked(server, SendAudio(0.1, 0.02, 16000, pace=1.0), Receive({"a": 1}), speed=1.0)
    assert one.problem is None and len(server.heard) == 5


async def test_audio_into_a_session_that_ended_is_a_problem():
    async def handle(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(1011, "no more")

    audio = SendAudio(60.0, 0.02, 16000, pace=1.0, interrupt_on={"never": True})
    one = await talked(handle, audio, speed=1.0)
    assert one.problem == "send: the session had ended"
    assert one.session.close is not None and one.session.close.code == 1011


# ---- receiving


async def test_bytes_of_media_are_counted_until_there_are_enough():
    blob = {"serverContent": {"modelTurn": {"parts": [{"inlineData": {"data": "AAAA" * 10}}]}}}
    one = await talked(saying(blob, blob, {"end": True}), Receive(min_bytes=31), Receive({"end": True}))
    assert one.problem is None
    one = await talked(saying(blob, blob, {"end": True}), Receive(min_bytes=61), Receive({"end": True}, within_s=0.05))
    assert one.problem == "receive: no message in 0.05 s"


async def test_bytes_are_counted_of_messages_that_fit_alone():
    one = await talked(saying({"a": 1}, {"b": 1}), Receive({"a": "*"}, min_bytes=1000))
    assert one.problem == "receive: another message came than was expected"


async def test_the_deadline_of_a_wait_is_that_of_all_its_messages():
    async def handle(socket: ServerConnection) -> None:
        try:
            while True:
                await socket.send(b"{}")
                await asyncio.sleep(0.02)
        except ConnectionClosed:
            pass

    for step in (ReceiveUntil({"end": True}, within_s=0.1), Receive(min_bytes=100_000, within_s=0.1)):
        one = await talked(handle, step)
        assert one.problem == "receive: no message in 0.1 s" and len(one.session.sent_by("server")) > 1


async def test_until_the_close_everything_is_let_pass():
    one = await talked(saying({"a": 1}, {"b": 1}, closes=True), ReceiveUntil(close=True, within_s=5.0))
    assert one.problem is None and len(one.session.sent_by("server")) == 2
    one = await talked(saying({"a": 1}), ReceiveUntil(close=True, within_s=0.05))
    assert one.problem == "receive: no close in 0.05 s"


@pytest.mark.parametrize(("first", "answer"), [({"a": 1}, b"one"), ({"b": 1}, b"two"), ({"c": 1}, b"other")])
async def test_a_branch_goes_the_way_of_the_first_case_that_fits(first: Any, answer: bytes):
    heard: list[str | bytes] = []

    async def handle(socket: ServerConnection) -> None:
        await socket.send(json.dumps(first).encode())
        heard.append(await socket.recv())

    cases = (Case({"a": "*"}, (said(b"one"),)), Case({"b": "*"}, (said(b"two"),)))
    one = await talked(handle, Branch(cases, (said(b"other"),)))
    assert heard == [answer] and one.problem is None


async def test_a_branch_without_a_way_for_a_message_is_a_problem():
    one = await talked(saying({"c": 1}), Branch((Case({"a": 1}, ()), Case({"b": 1}, ()))))
    assert one.problem == "branch: a message came that fits no case"
    one = await talked(saying({"a": 1}), Branch((Case({"a": 1}, ()),)))
    assert one.problem is None


# ---- repeat


async def test_steps_are_repeated_so_many_times():
    server = Listener({1: {}, 2: {}, 3: {}})
    one = await talked(server, Repeat((said({"a": 1}), Receive({})), 3))
    assert len(server.heard) == 3 and one.problem is None


@pytest.mark.parametrize("depth", [1, 2])
async def test_steps_without_end_are_left_when_the_session_ends(depth: int):
    async def handle(socket: ServerConnection) -> None:
        for _ in range(4):
            await socket.recv()
            await socket.send(b"{}")
        await socket.recv()
        await socket.close(4000, "enough")

    steps: Step = Repeat((said({"a": 1}), Receive({})))
    for _ in range(depth - 1):
        steps = Repeat((steps,))
    one = await talked(handle, steps, Receive(close=True))
    assert one.problem is None and len(one.session.sent_by("server")) == 4
    assert one.session.close is not None and one.session.close.code == 4000


async def test_steps_without_end_that_go_wrong_are_a_problem():
    one = await talked(saying({"a": 1}, {"b": 1}), Repeat((Receive({"a": 1}),)))
    assert one.problem == "receive: another message came than was expected"


async def test_the_end_of_the_session_inside_of_counted_steps_is_a_problem():
    one = await talked(saying({}, closes=True), Repeat((Receive({}),), 3))
    assert one.problem == "receive: the session ended"


# ---- faults


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_a_message_in_pieces_arrives_whole_and_was_in_pieces(opcode: int):
    pieces: list[str | bytes] = []
    rest: list[str | bytes] = []

    async def handle(socket: ServerConnection) -> None:
        async for piece in socket.recv_streaming():
            pieces.append(piece)  # noqa: PERF401 - one by one, as they come
        rest.append(await socket.recv())

    one = await talked(handle, said(b"abcdefgh", opcode, Fault("slice", size=3)), said(b"next"))
    parts: list[Any] = ["abc", "def", "gh"] if opcode == TEXT else [b"abc", b"def", b"gh"]
    assert pieces == parts and rest == [b"next"] and one.problem is None
    assert [frame.payload for frame in one.session.sent_by("client")] == [b"abcdefgh", b"next"]


async def test_a_truncated_message_is_cut_within_its_frame():
    got: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(switch + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        got.append(await reader.read())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        host, port = listening.sockets[0].getsockname()
        aim = Aim(address_of(f"http://{host}:{port}", None), "", TARGET, "s1", "header", "http://up:1")
        driver = Driver(aim, never)
        move = Converse((said(b"abcdefgh", BINARY, Fault("truncate", size=3)),))
        async with asyncio.timeout(20):
            await driver.play(live_probe("x", "x", move, [{"receive": "any"}]))
    [wire] = got
    # Two bytes of head, four of mask, three of the eight bytes that the head announces (RFC 6455 section 5.2).
    assert wire[:2] == bytes([0x80 | BINARY, 0x80 | 8]) and len(wire) == 9
    assert bytes(byte ^ wire[2 + index % 4] for index, byte in enumerate(wire[6:])) == b"abc"


async def test_a_reset_by_itself_or_in_place_of_a_message_ends_the_session_without_a_close():
    for step in (Fault("reset_peer"), said({"a": 1}, BINARY, Fault("reset_peer"))):
        server = Listener()
        one = await talked(server, step)
        assert server.heard == [] and server.close_code == CloseCode.ABNORMAL_CLOSURE and one.was_lost


async def test_a_latency_and_a_stall_go_before_the_message():
    for kind in ("latency", "stall"):
        server = Listener()
        began = asyncio.get_running_loop().time()
        one = await talked(server, said({}, BINARY, Fault(kind, seconds=0.05)), Fault(kind, seconds=0.05), speed=1.0)
        assert server.times[0] - began >= 0.05 and one.problem is None and len(server.heard) == 1


async def test_a_client_that_stalls_reads_nothing_meanwhile():
    message = json.dumps({"x": "y" * 65536}).encode()
    sent: list[int] = []

    async def handle(socket: ServerConnection) -> None:
        await socket.recv()
        for _ in range(200):
            await socket.send(message)
            sent.append(len(sent))
        await socket.wait_closed()

    one = await talked(handle, said({}), Fault("stall", seconds=0.3), Receive(min_bytes=200 * 65536), speed=1.0)
    came = [frame.at for frame in one.session.sent_by("server")]
    first = one.session.sent_by("client")[0].at
    assert one.problem is None and len(came) == 200
    assert sum(at - first < 0.25 for at in came) <= 5, "messages were read during the stall"


# ---- how long a scenario takes


def scenario(server: Sequence[Any] = ({"receive": "any"},), client: Sequence[Any] = ({"close": {}},)) -> Scenario:
    document = {"id": "x", "title": "t", "surface": "gemini-live", "model": "m"}
    return parse_scenario({**document, "server": list(server), "client": list(client)})


AUDIO = {"send_audio": {"silence": True, "duration": "4s", "pace": 2}}
INTERRUPTED = {**AUDIO, "interrupt_on": {"json": {"a": 1}}}


@pytest.mark.parametrize(
    "steps",
    [
        [INTERRUPTED],
        [{"repeat": {"steps": [AUDIO, INTERRUPTED]}}],
        [{"branch": {"cases": [{"match": {"json": 1}, "steps": [INTERRUPTED]}]}}],
        [{"branch": {"cases": [{"match": {"json": 1}, "steps": []}], "otherwise": [INTERRUPTED]}}],
    ],
)
def test_audio_that_may_be_interrupted_needs_time(steps: list[Any]):
    assert is_timed(scenario(server=steps)) and is_timed(scenario(client=steps))
    assert library_probe(scenario(server=steps)).speed == 1.0


def test_other_scenarios_need_none():
    plain = scenario([AUDIO, {"pause": "1s"}, {"repeat": {"steps": [AUDIO], "times": 2}}])
    assert not is_timed(plain) and library_probe(plain).speed == 0.0


def test_a_session_may_last_as_long_as_its_waits_and_a_little_more():
    way = {"branch": {"cases": [{"match": {"json": 1}, "steps": [{"pause": "3s"}]}], "otherwise": [{"pause": "1s"}]}}
    whole = scenario([AUDIO, {"pause": "1s"}, {"repeat": {"steps": [AUDIO], "times": 3}}], [way])
    # 2 + 1 + 3 x 2 of the server, 3 of the client.
    assert session_limit_s(whole, 1.0) == SPARE_S + 12 and session_limit_s(whole, 4.0) == SPARE_S + 3
    assert session_limit_s(whole, 0.0) == SPARE_S


async def test_a_scenarios_client_gets_the_time_that_its_waits_take():
    probe = Probe(scenario(client=[{"pause": "20s"}, {"close": {}}]), ("gemini-live",), speed=1000.0)
    async with live_server(Listener()) as url:
        driver = Driver(Aim(address_of(url, None), "", TARGET, "s1", "header", "http://up:1"), never)
        await driver.play(probe)
    [one] = driver.conversed
    assert one.converse.limit_s == SPARE_S + 0.02 and one.problem is None
