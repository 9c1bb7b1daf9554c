"""Gateways that do something to the messages of Live sessions, or to their end (requirements WS-5 to WS-15)."""

import asyncio
from collections.abc import Iterable
from typing import Final

from .broken import broken, variant
from .frames import BINARY, CLOSE, CONTINUATION, PING, TEXT, Frame, close_frame
from .live import Gateway, Side, Talk

LARGEST: Final = 1024 * 1024
STAYS_S: Final = 2.6
"""How long a gateway keeps a session with nobody: longer than the suite allows."""


class ChangesMessages(Gateway):
    """Messages of one side are changed; they are whole frames."""

    of_provider: bool = False

    def passed_frames(self, talk: Talk, source: Side, frame: Frame) -> Iterable[Frame]:
        is_message = frame.opcode in (TEXT, BINARY) and source.is_provider == self.of_provider
        return self.changed(frame) if is_message else super().passed_frames(talk, source, frame)

    def changed(self, frame: Frame) -> Iterable[Frame]:
        """What becomes of a message."""
        return (frame,)


class StripsMessages(ChangesMessages):
    """White space around a message is lost."""

    def changed(self, frame: Frame) -> Iterable[Frame]:
        payload = frame.payload.strip(b" ")
        return (frame,) if payload == frame.payload else (Frame(frame.opcode, payload, frame.is_final),)


class MakesText(ChangesMessages):
    """Binary messages become text."""

    def changed(self, frame: Frame) -> Iterable[Frame]:
        is_json = frame.payload.startswith(b"{") and frame.is_final and len(frame.payload) < LARGEST
        return (Frame(TEXT, frame.payload),) if is_json else (frame,)


class DropsEmptyMessages(ChangesMessages):
    """Messages without a byte are lost."""

    def changed(self, frame: Frame) -> Iterable[Frame]:
        return (frame,) if frame.payload or not frame.is_final else ()


class RefusesLargeMessages(ChangesMessages):
    """A large message ends the session."""

    def changed(self, frame: Frame) -> Iterable[Frame]:
        return (frame,) if len(frame.payload) <= LARGEST else (close_frame(1009, b"message too big"),)


@broken("passes-first-fragments", "It takes the first fragment for the message.", "WS-12/fragmented-from-provider")
class PassesFirstFragments(Gateway):
    def passed_frames(self, talk: Talk, source: Side, frame: Frame) -> Iterable[Frame]:
        if not source.is_provider or frame.opcode >= CLOSE or (frame.is_final and frame.opcode != CONTINUATION):
            return super().passed_frames(talk, source, frame)
        return () if frame.opcode == CONTINUATION else (Frame(frame.opcode, frame.payload),)


@broken("swallows-unknown-messages", "It swallows messages of a kind that it does not know.", "WS-15/unknown-messages")
class SwallowsUnknownMessages(ChangesMessages):
    of_provider = True

    def changed(self, frame: Frame) -> Iterable[Frame]:
        return () if frame.payload.startswith(b'{"somethingNobodyKnows"') else (frame,)


@broken(
    "speaks-up",
    "It says something by itself after a tool call.",
    *("WS-15/unknown-messages", "WS-5/library-frames"),
    # A client that takes the extra message for the answer may leave before the last usage comes.
    may_fail=["COST-1/library"],
)
class SpeaksUp(Gateway):
    def passed_frames(self, talk: Talk, source: Side, frame: Frame) -> Iterable[Frame]:
        frames = list(super().passed_frames(talk, source, frame))
        if source.is_provider and frame.payload.startswith(b'{"toolCall"'):
            frames.append(Frame(TEXT, b'{"gateway":"tool call seen"}'))
        return frames


class ChangesCloses(Gateway):
    """Close frames of one side are changed."""

    of_provider: bool = False

    def passed_frames(self, talk: Talk, source: Side, frame: Frame) -> Iterable[Frame]:
        # The second close frame of a session only answers the first.
        is_first = frame.opcode == CLOSE and not talk.is_closing
        if is_first and source.is_provider == self.of_provider:
            return (self.changed(frame),)
        return super().passed_frames(talk, source, frame)

    def changed(self, frame: Frame) -> Frame:
        """What becomes of a close frame."""
        return frame


class ClosesWith1000(ChangesCloses):
    """Each code becomes 1000."""

    def changed(self, frame: Frame) -> Frame:
        return frame if frame.code is None else close_frame(1000, frame.payload[2:])


class ClosesWithoutReason(ChangesCloses):
    """The reason is lost."""

    def changed(self, frame: Frame) -> Frame:
        return close_frame(frame.code)


class AddsCodes(ChangesCloses):
    """A close frame without a code gets one."""

    def changed(self, frame: Frame) -> Frame:
        return close_frame(1000) if frame.code is None else frame


@broken("calls-a-lost-provider-done", "It closes with 1000 when the provider is lost.", "WS-8/provider-lost")
class CallsALostProviderDone(Gateway):
    def lost_code(self, source: Side) -> int:
        return 1000 if source.is_provider else super().lost_code(source)


@broken("calls-a-lost-client-done", "It closes with 1000 when the client is lost.", "WS-8/client-lost")
class CallsALostClientDone(Gateway):
    def lost_code(self, source: Side) -> int:
        return super().lost_code(source) if source.is_provider else 1000


@broken(
    "stays-with-the-provider",
    "It keeps the provider's side when the client is lost.",
    "WS-9/provider-closed-by-leaving-client",
)
class StaysWithTheProvider(Gateway):
    async def end(self, talk: Talk, source: Side) -> None:
        if not source.is_provider and not talk.is_closing:
            await asyncio.sleep(STAYS_S)
        await super().end(talk, source)


@broken("drops-pings", "It drops pings.", "WS-10/ping-answered")
class DropsPings(Gateway):
    def passed_frames(self, talk: Talk, source: Side, frame: Frame) -> Iterable[Frame]:
        return () if frame.opcode == PING else super().passed_frames(talk, source, frame)


def _way(parent: type[Gateway], name: str, words: str, provider: tuple[str, ...], client: tuple[str, ...]):
    """The same fault on either way."""
    return (
        variant(parent, f"{name}-of-the-provider", f"{words} of the provider.", *provider, of_provider=True),
        variant(parent, f"{name}-of-the-client", f"{words} of the client.", *client, of_provider=False),
    )


_KINDS: Final = ("WS-5/text-and-binary", "WS-5/library-frames")

TABLE: Final = (
    *_way(
        StripsMessages,
        "strips-messages",
        "It strips messages",
        ("WS-5/server-messages",),
        ("WS-5/payload-table",),
    ),
    *_way(MakesText, "makes-text", "It makes text of the JSON", _KINDS, _KINDS),
    *_way(
        DropsEmptyMessages,
        "drops-empty-messages",
        "It drops empty messages",
        ("WS-5/empty-messages",),
        ("WS-5/empty-messages",),
    ),
    *_way(
        RefusesLargeMessages,
        "refuses-large-messages",
        "It refuses large messages",
        ("WS-7/large-from-provider",),
        ("WS-7/large-from-client",),
    ),
    *_way(
        ClosesWith1000,
        "closes-with-1000",
        "It passes 1000 on for every close code",
        ("WS-8/close-codes-from-provider", "WS-8/library-closes"),
        ("WS-8/close-codes-from-client",),
    ),
    *_way(
        ClosesWithoutReason,
        "closes-without-reason",
        "It loses the reason of a close",
        ("WS-8/close-reason",),
        ("WS-8/close-reason",),
    ),
    *_way(
        AddsCodes,
        "adds-close-codes",
        "It adds a code to a bare close",
        ("WS-8/close-without-code",),
        ("WS-8/close-without-code",),
    ),
)
