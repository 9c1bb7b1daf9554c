"""How probes are written down: a scenario as a document, and what the client does with it. Pure."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..scenario.model import Scenario
from ..scenario.parse import parse_scenario
from ..surfaces import Surface
from .model import Ask, Converse, Move, Probe
from .played_time import is_timed

GEMINI_MODEL: Final = "gemini-2.5-flash"
LIVE_MODEL: Final = "gemini-live-2.5-flash"

GENERATE: Final = f"/v1beta/models/{GEMINI_MODEL}:generateContent"
STREAM: Final = f"/v1beta/models/{GEMINI_MODEL}:streamGenerateContent"
VERTEX: Final = "/v1/projects/{{project}}/locations/{{location}}/publishers/google/models/"

HELLO: Final = b'{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}'

ANSWER: Final[Mapping[str, Any]] = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Good day."}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 6, "totalTokenCount": 10},
    "modelVersion": GEMINI_MODEL,
}

Document = Mapping[str, Any]


def reply(
    *, status: int = 200, headers: Mapping[str, Any] | None = None, body: bytes | None = None, **words: Any
) -> Document:
    """A server step that answers once: `body` literally, or with none the usual answer in JSON."""
    content: dict[str, Any] = {"json": ANSWER} if body is None else {"base64": b64encode(body).decode()}
    return {"reply": {"status": status, **content, **({"headers": dict(headers)} if headers else {})}, **words}


def http_probe(
    id: str,
    title: str,
    moves: Sequence[Move] | Move,
    *,
    server: Sequence[Document] | None = None,
    surface: Surface = Surface.GEMINI,
    model: str = GEMINI_MODEL,
    features: tuple[str, ...] = (),
    expect: Document | None = None,
    speed: float = 0.0,
    times: int | None = None,
    settle_s: float = 3.0,
) -> Probe:
    """A probe over HTTP whose scenario answers any request of its scope, whatever its path and method.

    `server` are the scenario's steps (default: the usual answer); they are played again and again unless `times` says
    how often; `{{upstream}}` in a header of theirs is the simulator's own address. `expect` is the scenario's, with
    the cost as a literal.
    """
    document: dict[str, Any] = {
        "id": f"probe/{id}",
        "title": title,
        "surface": surface.value,
        "model": model,
        "match": {"path": "*", "model": "*"},
        "server": list(server or (reply(),)),
    }
    if expect is not None:
        document["expect"] = dict(expect)
    made = (moves,) if isinstance(moves, Ask | Converse) else tuple(moves)
    return Probe(_parsed(document), (surface.value, *features), document, made, speed, times, settle_s)


def live_probe(
    id: str,
    title: str,
    moves: Sequence[Move] | Move,
    server: Sequence[Document],
    *,
    surface: Surface = Surface.VERTEX_LIVE,
    model: str = LIVE_MODEL,
    features: tuple[str, ...] = (),
    expect: Document | None = None,
    speed: float = 0.0,
    times: int | None = None,
    settle_s: float = 3.0,
    match: Document | None = None,
) -> Probe:
    """A probe of Live sessions; `server` are the scenario's steps, `match` its words if not any model will do."""
    document: dict[str, Any] = {
        "id": f"probe/{id}",
        "title": title,
        "surface": surface.value,
        "model": model,
        "match": dict(match or {"model": "*"}),
        "server": list(server),
    }
    if expect is not None:
        document["expect"] = dict(expect)
    made = (moves,) if isinstance(moves, Ask | Converse) else tuple(moves)
    return Probe(_parsed(document), (surface.value, *features), document, made, speed, times, settle_s)


def library_probe(scenario: Scenario) -> Probe:
    """A shipped scenario, played with its own client side. VEO needs the feature of its own name.

    Waits are skipped, but not where one side cuts the other short: without time there is nothing to be cut.
    """
    return Probe(scenario, (scenario.surface.value,), speed=1.0 if is_timed(scenario) else 0.0)


def compact(value: Any) -> bytes:
    """JSON without spaces, as most clients send it."""
    return json.dumps(value, separators=(",", ":")).encode()


def _parsed(document: Document) -> Scenario:
    return parse_scenario(document, source="probe")
