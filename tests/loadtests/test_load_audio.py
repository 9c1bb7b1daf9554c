"""What a client that speaks under load times, and what it waits for, against a server that does exactly as told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from websockets.sync.server import Server, ServerConnection, serve

from understudy.conformance.target import Target
from understudy.load.addresses import address_of
from understudy.load.conversations import Conversation, Hear, Leave, Say, Speak, TalkStep
from understudy.load.failures import PlayFailure
from understudy.load.playing import Player
from understudy.surfaces import Surface

SETUP = (Say(b"{}", False), Hear(None, until=False))


@contextmanager
def talking(handle: Callable[[ServerConnection], None]) -> Iterator[str]:
    """A server that holds each session as `handle` says, after it has answered the setup."""

    def hold(session: ServerConnection) -> None:
        session.recv(timeout=10)
        session.send(b'{"setupComplete":{}}')
        handle(session)

    server: Server
    with serve(hold, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            host, port = server.socket.getsockname()
            yield f"http://{host}:{port}"
        finally:
            server.shutdown()
            thread.join(10)


def played(url: str, *steps: TalkStep) -> list[tuple[str, float]]:
    talk = (*SETUP, *steps, Leave(1000))
    conversation = Conversation("x", "audio", Surface.GEMINI_LIVE, target="/live", talk=talk)
    with Player(address_of(url, None)[0], Target("double", frozenset())) as player:
        return list(player.play(conversation))


def frames(count: int) -> tuple[bytes, ...]:
    return tuple(f'{{"frame":{number}}}'.encode() for number in range(count))


def test_messages_leave_one_by_one_and_never_early() -> None:
    heard: list[tuple[float, str | bytes]] = []

    def listen(session: ServerConnection) -> None:
        for message in session:
            heard.append((time.perf_counter(), message))
            if len(heard) == 8:
                session.send(b'{"end":1}')

    with talking(listen) as url:
        timings = played(url, Speak(frames(8), False, 0.02), Hear({"end": 1}, until=True))
    assert [message for _, message in heard] == list(frames(8))
    assert heard[-1][0] - heard[0][0] >= 7 * 0.02 - 0.005
    assert [phase for phase, _ in timings] == ["connect", "setup", "first_frame", "total"]


def test_the_first_frame_counts_from_the_last_message_and_gaps_between_what_came_meanwhile() -> None:
    def answer_at_once(session: ServerConnection) -> None:
        for number, message in enumerate(session):
            assert message
            if number in (2, 3):
                session.send(b'{"early":1}')
            if number == 19:
                session.send(b'{"end":1}')

    with talking(answer_at_once) as url:
        timings = played(url, Speak(frames(20), False, 0.02), Hear({"end": 1}, until=True))
    assert [phase for phase, _ in timings] == ["connect", "setup", "first_frame", "gap", "gap", "total"]
    first, _, last = [seconds for phase, seconds in timings if phase in ("first_frame", "gap")]
    # The answer came while the client spoke: it is timed by when it came, not by when it was read at the end.
    assert 0 <= first < 0.3 and last >= 16 * 0.02 - 0.1


def test_as_many_bytes_are_taken_as_are_wanted() -> None:
    media = b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"data":"AAAA"}}]}}}'

    def speak(session: ServerConnection) -> None:
        for _ in range(4):
            session.send(media)
        session.send(b'{"end":1}')
        session.recv(timeout=10)

    with talking(speak) as url:
        played(
            url, Hear({"serverContent": "*"}, until=False, min_bytes=12), Hear({"end": 1}, until=False), Say(b"", False)
        )
        with pytest.raises(PlayFailure, match="another message"):
            played(url, Hear({"serverContent": "*"}, until=False, min_bytes=13))
