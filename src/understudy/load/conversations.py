"""The client's side of a scenario, ready to be played many times: bytes are filled in once. Pure."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from ..conformance.target import Target
from ..errors import ConfigError
from ..messages import TEXT, RawHeaders
from ..scenario.audio import audio_message, frame_count, frame_pcm
from ..scenario.model import Call, ClientStep, CloseSession, Pause, Receive, ReceiveUntil, Scenario, Send, SendAudio
from ..surfaces import Surface

Kind = Literal["generate", "stream", "live", "audio"]

DEFAULTS: Final[dict[Kind, tuple[str, ...]]] = {
    "generate": ("gemini/generate", "vertex/generate"),
    "stream": ("gemini/stream", "vertex/stream"),
    "live": ("live/text-turn",),
    "audio": ("live/turns/automatic-activity", "live/turns/gemini-automatic-activity"),
}
"""The scenarios of each kind, if none are named."""

_LIVE_PATHS: Final = {
    Surface.GEMINI_LIVE: "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
    Surface.VERTEX_LIVE: "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One HTTP request; `target` is the path and query below the arm's base."""

    method: str
    target: str
    headers: RawHeaders
    body: bytes


@dataclass(frozen=True, slots=True)
class Say:
    """Send one WebSocket message."""

    payload: bytes
    is_text: bool


@dataclass(frozen=True, slots=True)
class Hear:
    """Take one message that must fit (`until` False), or messages until one fits; pattern None fits any.

    With `min_bytes` as many messages, each of which must fit, as it takes for that many bytes of media.
    """

    pattern: Any
    until: bool
    min_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Speak:
    """Send these messages, one every `every_s` seconds from the first on (0: at once)."""

    payloads: tuple[bytes, ...]
    is_text: bool
    every_s: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Leave:
    """Close the session."""

    code: int


TalkStep = Say | Speak | Hear | Wait | Leave


@dataclass(frozen=True, slots=True)
class Conversation:
    """One scenario's client: HTTP requests in turn (`asks`), or one Live session (`talk` at `target`)."""

    scenario: str
    kind: Kind
    surface: Surface
    statuses: tuple[int, ...] = ()
    asks: tuple[Ask, ...] = ()
    target: str = ""
    talk: tuple[TalkStep, ...] = ()


def kind_of(scenario: Scenario) -> Kind:
    """Which kind of conversation a scenario is. Raises ConfigError if it is none that can be repeated under load."""
    if scenario.surface.is_live:
        return "audio" if any(isinstance(step, SendAudio) for step in scenario.client) else "live"
    calls = [step for step in scenario.client if isinstance(step, Call)]
    if not calls or len(calls) != len(scenario.client):
        raise ConfigError(f"{scenario.id}: under load a client makes calls or holds a Live session, and no more")
    return "stream" if any(call.method == "streamGenerateContent" for call in calls) else "generate"


def conversation_of(scenario: Scenario, target: Target, path_prefix: str = "") -> Conversation:
    """The conversation with a gateway (or with the simulator, whose target has no prefixes).

    `path_prefix` is the path of the gateway's URL. Raises ConfigError for a step that cannot be played under load.
    """
    kind = kind_of(scenario)
    surface = scenario.surface
    prefix = path_prefix + target.prefix(surface)
    owner = f"projects/{target.project}/locations/{target.location}/publishers/google/"
    full = f"{owner if surface.is_vertex else ''}models/{scenario.model}"
    values = {"model": scenario.model, "model_path": full, "scope": ""}
    if kind in ("live", "audio"):
        if surface not in _LIVE_PATHS:
            raise ConfigError(f"{scenario.id}: no Live address is known for {surface}")
        talk = tuple(_talk_step(scenario, step, values) for step in scenario.client)
        return Conversation(scenario.id, kind, surface, target=prefix + _LIVE_PATHS[surface], talk=talk)
    version = "v1" if surface.is_vertex else "v1beta"
    statuses = scenario.expect.statuses or (200,)
    asks = tuple(
        _ask(step, f"{prefix}{step.path or f'/{version}/{full}:{step.method}'}", values)
        for step in scenario.client
        if isinstance(step, Call)
    )
    return Conversation(scenario.id, kind, surface, statuses, asks)


def _ask(call: Call, path: str, values: dict[str, str]) -> Ask:
    body = call.payload.fill(values)
    content: RawHeaders = ((b"Content-Type", b"application/json"),) if body else ()
    return Ask(call.http_method, f"{path}?{call.query}" if call.query else path, (*content, *call.headers), body)


def _talk_step(scenario: Scenario, step: ClientStep, values: dict[str, str]) -> TalkStep:
    match step:
        case Send(fault=None):
            return Say(step.payload.fill(values), step.opcode == TEXT)
        case SendAudio(interrupt_on=None):
            payloads = (
                audio_message(frame_pcm(step, index), step.rate_hz, "client") for index in range(frame_count(step))
            )
            return Speak(tuple(payloads), step.opcode == TEXT, step.frame_s / step.pace if step.pace > 0 else 0.0)
        case Receive(close=False):
            return Hear(step.pattern, until=False, min_bytes=step.min_bytes)
        case ReceiveUntil(close=False):
            return Hear(step.pattern, until=True)
        case Pause():
            return Wait(step.seconds)
        case CloseSession():
            return Leave(1000 if step.code is None else step.code)
        case _:
            raise ConfigError(f"{scenario.id}: {type(step).__name__.lower()} cannot be played under load")
