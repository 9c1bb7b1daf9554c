"""Each close of wire-live 5.1 by what really brings it about, on a socket and without a scenario.

What no client can bring about (a backend that fails) is a fault that is laid over the session; its row has `laid`.
"""

import asyncio
import json
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from simulator_rig import BEARER, KEY, simulator
from test_layers import over
from test_live_sessions import CONSTRAINED, GEMINI, HELLO, VERTEX, closed, hear, hear_turn, session, token
from test_scripted_live import CLOSES

from understudy.provider_errors.live import cut_reason
from understudy.secret import Secret
from understudy_simulator.clock import ManualClock
from understudy_simulator.live.settings import LiveSettings
from understudy_simulator.quotas import QuotaRule

PLAIN = "models/gemini-live-2.5-flash"
OLDEST = "models/gemini-2.0-flash-live-001"
GONE = "gemini-live-retired"
HANDLE = "CiQxNzk0OTk4ODAwLXVuZGVyc3R1ZHktc3RhbGU"
TRACE = re.compile(r"Request trace id: [0-9a-f]{16}")
LAMP = {"functionDeclarations": [{"name": "switch_lamp", "parameters": {"type": "OBJECT", "properties": {}}}]}


def setup(model=PLAIN, *modalities, config: Any = None, **members):
    wanted = {"responseModalities": list(modalities) or ["TEXT"]} | (config or {})
    return {"setup": {"model": model, "generationConfig": wanted} | members}


@dataclass(frozen=True)
class Row:
    """What a client does, and where.

    `settings` are the simulator's, `ages` how far the clock is moved afterwards. `held`: another session is open;
    `spent`: the client has a token that another session used up. `laid`: no client can cause it, a fault does.
    `known`: so many characters of the reason are known, the rest depends on the mistake.
    """

    messages: tuple[dict[str, Any] | str, ...] = (setup(),)
    target: str = GEMINI
    headers: tuple[tuple[str, str], ...] = (KEY,)
    settings: dict[str, Any] = field(default_factory=dict)
    ages: tuple[float, ...] = ()
    held: bool = False
    spent: bool = False
    laid: dict[str, Any] | None = None
    known: int | None = None


def laid(code: int, reason: str, *messages: Any) -> Row:
    """The close comes in the place of the first message behind the answer to the last one of the client."""
    place = 2 if messages else 1
    fault = {"close": {"code": code, "reason": reason}, "at": place}
    return Row((setup(), *messages), laid=fault)


def live(**words: Any) -> dict[str, Any]:
    return {"live": LiveSettings(**words)}


ASKED = {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "switch lamp"}]}], "turnComplete": True}}
LONG = {
    "clientContent": {"turns": [{"role": "user", "parts": [{"text": "a word or two " * 60_000}]}], "turnComplete": True}
}
ROWS = {
    "invalid-argument": Row(
        (setup(realtimeInputConfig={"automaticActivityDetection": {"disabled": True, "silenceDurationMs": 5}}),)
    ),
    "second-setup": Row((setup(), setup())),
    "context-exhausted": Row((setup(), LONG)),
    "malformed-json": Row(('{"setup": {',), known=len("Invalid JSON payload received. Unexpected ")),
    "bad-api-key": Row(headers=(("x-goog-api-key", "AIza-bad"),), settings={"api_keys": (Secret("AIza-good"),)}),
    "expired-api-key": Row(headers=(("x-goog-api-key", "AIza-old"),), settings={"expired_keys": (Secret("AIza-old"),)}),
    "location": laid(1007, "User location is not supported for the API use."),
    "voice-without-audio": Row(
        (setup(config={"speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}}}),)
    ),
    "text-from-native-audio": Row((setup("models/gemini-3.1-flash-live-preview"),)),
    "audio-from-transcriber": Row((setup("models/gemini-3.5-transcribe-live-preview", "AUDIO"),)),
    "language": Row((setup(PLAIN, "AUDIO", config={"speechConfig": {"languageCode": "fa-IR"}}),)),
    "media-chunks": Row(
        (
            setup("models/gemini-3.8-live", "AUDIO"),
            {"realtimeInput": {"mediaChunks": [{"mimeType": "audio/pcm;rate=16000", "data": "AAAA"}]}},
        )
    ),
    "explicit-activity": Row((setup(), {"realtimeInput": {"activityStart": {}}})),
    "invalid-session-handle": Row((setup(sessionResumption={"handle": "no-handle-at-all"}),)),
    "unknown-query-field": Row(target=f"{GEMINI}?model={GONE}"),
    "unknown-field": Row((setup() | {"thinking": True},)),
    "two-modalities": Row((setup(OLDEST, "TEXT", "AUDIO"),)),
    "unknown-model": Row((setup(f"models/{GONE}"),)),
    "vertex-unknown-model": Row(
        (setup(f"projects/understudy-demo/locations/us-central1/publishers/google/models/{GONE}"),),
        VERTEX,
        (BEARER,),
    ),
    "session-not-found": Row((setup(sessionResumption={"handle": HANDLE}),)),
    "entity-not-found": laid(1008, "Requested entity was not found.", ASKED),
    "not-implemented": laid(1008, "Operation is not implemented, or supported, or enabled.", ASKED),
    "aborted": Row((setup(), HELLO), settings=live(abort_s=150.0), ages=(149.0, 1.0)),
    "go-away-ignored": Row((setup(), HELLO), ages=(540.0, 50.0)),
    "bad-token": Row(
        (setup("projects/p/locations/l/" + "publishers/google/" + PLAIN),),
        VERTEX,
        (("Authorization", "Bearer ya29.invalid"),),
    ),
    "no-credentials": Row(headers=()),
    "internal": laid(1011, "Internal error encountered.", HELLO),
    "internal-occurred": laid(1011, "Internal error occurred.", HELLO),
    "unavailable": Row(target=CONSTRAINED, spent=True),
    "deadline": Row(settings=live(idle_s=0.05)),
    "concurrent-sessions": Row(settings={"quotas": (QuotaRule("sessions", 1),)}, held=True),
    "rpc-deadline": Row((setup(OLDEST),), settings=live(idle_s=0.05)),
    "quota": Row(settings={"quotas": (QuotaRule("requests", 1),)}, held=True),
    "thread-cancelled": laid(1011, "Thread was cancelled", HELLO),
    "lost": Row((setup(), HELLO), laid={"fault": {"hang_up": True}, "at": 2}),
}
"""The rows of wire-live 5.1 by the names of `live/closes`; what is missing here is in `BY_THE_CLIENT`."""

BY_THE_CLIENT = {"normal"}
"""A clean end (1000) is the client's own close, which is answered in kind."""


def test_every_close_of_the_library_has_its_real_trigger():
    assert ROWS.keys() | BY_THE_CLIENT == CLOSES.keys()


def test_only_what_a_backend_does_is_laid():
    """A client cannot move house, break a backend, or lose the service's connection."""
    cannot = {name for name, row in ROWS.items() if row.laid is not None}
    backend = {"entity-not-found", "not-implemented", "internal", "internal-occurred", "thread-cancelled"}
    assert cannot == {"location", "lost", *backend}


async def play(client, row: Row, clock: ManualClock):
    """Code and reason of the close that the row's doings bring about."""
    for message in row.messages:
        await client.send(message if isinstance(message, str) else json.dumps(message))
    if row.ages:
        await hear_turn(client)
    for seconds in row.ages:
        # A ping is answered when everything before it was done, the alarm among it.
        await (await client.ping())
        clock.advance(seconds)
    return await closed(client)


def traceless(reason: str) -> str:
    return TRACE.sub("Request trace id: 0123456789abcdef", reason)


@pytest.mark.parametrize("name", ROWS)
async def test_the_real_trigger_gives_the_code_and_the_reason(name: str):
    row, clock = ROWS[name], ManualClock()
    async with simulator(clock=clock, **row.settings) as running, AsyncExitStack() as stack:
        headers = row.headers
        if row.laid is not None:
            running.stage.arm(over(row.laid, surface="gemini-live"))
        if row.spent:
            headers = (await token(running, uses=1),)
        if row.held or row.spent:
            first = await stack.enter_async_context(session(running, row.target, *headers))
            await first.send(json.dumps(setup()))
            assert await hear(first) == {"setupComplete": {}}
        async with session(running, row.target, *headers) as client:
            code, reason = await play(client, row, clock)
    wanted, words = CLOSES[name]
    assert (code, traceless(reason)[: row.known]) == (wanted, traceless(words)[: row.known])
    assert len(reason.encode()) <= 123


async def test_a_clean_end_is_answered_in_kind():
    async with simulator() as running, session(running, GEMINI, KEY) as client:
        await client.send(json.dumps(setup()))
        await hear(client)
        await client.close(1000)
        assert client.close_code == 1000
    [seen] = running.stage.recorder.transcript().sessions
    assert seen.close is not None and (seen.close.sender, seen.close.code) == ("client", CLOSES["normal"][0])


# ---- what is beside the rows


async def test_two_modalities_of_a_newer_model():
    async with simulator() as running, session(running, GEMINI, KEY) as client:
        code, reason = await play(client, Row((setup(PLAIN, "TEXT", "AUDIO"),)), ManualClock())
    words = f"The requested combination of response modalities (TEXT, AUDIO) is not supported by the model. {PLAIN}"
    assert (code, reason) == (1007, cut_reason(words))


async def test_a_session_on_which_something_happens_is_not_idle():
    async with simulator(**live(idle_s=0.3)) as running, session(running, GEMINI, KEY) as client:
        await client.send(json.dumps(setup()))
        await hear(client)
        for _ in range(5):
            await asyncio.sleep(0.1)
            await client.send(json.dumps(HELLO))
            await hear_turn(client)
        assert (await closed(client))[0] == 1011


@pytest.mark.parametrize(("abort_s", "ages", "warned"), [(560.0, (540.0, 20.0), True), (541.0, (540.0, 1.0), True)])
async def test_an_abort_may_come_after_the_warning(abort_s, ages, warned):
    clock = ManualClock()
    async with simulator(clock=clock, **live(abort_s=abort_s)) as running, session(running, GEMINI, KEY) as client:
        await client.send(json.dumps(setup()))
        await hear(client)
        clock.advance(ages[0])
        assert ("goAway" in await hear(client)) is warned
        clock.advance(ages[1])
        assert await closed(client) == (1008, "The operation was aborted")
