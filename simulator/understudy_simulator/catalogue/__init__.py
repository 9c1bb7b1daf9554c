"""The models that the simulated services know, read from `models.json`: which service has them, what they can do.

Sources: wire-http 6.1 (VEO ids differ by service) and 9, wire-live 6 (Live models and their modalities), sdk-surface
(rows m5 and i1 name `text-embedding-005` and `gemini-3-flash` on the Gemini API), LiteLLM's price map (limits and days
of retirement), the services' model pages (names).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, cast

import msgspec

Kind = Literal["text", "image", "tts", "live", "embedding", "multimodal_embedding", "imagen", "veo", "partner"]

_LIVE_METHOD: Final = "bidiGenerateContent"


@dataclass(frozen=True, slots=True)
class Model:
    """One model. `input_limit` and `output_limit` are tokens; `dimension` is that of its embeddings, else 0.

    `inputs` and `outputs` are modalities (TEXT, IMAGE, VIDEO, AUDIO, DOCUMENT; EMBEDDING). `live_modalities` are the
    response modalities of its Live sessions (wire-live 6), empty if it has none. `retires` is the day from which the
    service refuses it; `is_kept` says that the simulator does not, since old samples and clients still name it.
    """

    id: str
    kind: Kind
    display_name: str
    input_limit: int
    output_limit: int
    on_gemini: bool = True
    on_vertex: bool = True
    live_modalities: frozenset[str] = frozenset()
    is_thinking: bool = False
    publisher: str = "google"
    methods: frozenset[str] = frozenset()
    shown_methods: tuple[str, ...] = ()
    inputs: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    dimension: int = 0
    retires: date | None = None
    is_kept: bool = False

    @property
    def version(self) -> str:
        """The `version` of its model resource."""
        tail = self.id.rpartition("-")[2]
        return tail if tail.isdigit() and len(tail) == 3 else "001"

    @property
    def numbers_calls(self) -> bool:
        """Whether its function calls carry ids: Gemini 3 and later do (wire-http 4.3)."""
        return self.id.startswith(("gemini-3", "gemini-4"))

    def can(self, method: str) -> bool:
        """Whether it answers the RPC `method`, named like the verb in a path."""
        return method in self.methods

    def is_on(self, is_vertex: bool) -> bool:
        """Whether Vertex AI (True) or the Gemini API (False) has it."""
        return self.on_vertex if is_vertex else self.on_gemini

    def is_retired(self, now: datetime) -> bool:
        """Whether the service refuses it at `now`, with the words for an unknown model."""
        return self.retires is not None and not self.is_kept and now.date() >= self.retires


def model_of(name: str, is_vertex: bool, publisher: str = "google", now: datetime | None = None) -> Model | None:
    """The model `name` (a bare id) of that service and publisher, or None if that service has no such model.

    With `now` a model that is retired by then counts as unknown.
    """
    found = _by_name().get((publisher, name))
    if found is None or not found.is_on(is_vertex) or (now is not None and found.is_retired(now)):
        return None
    return found


def models_of(is_vertex: bool, publisher: str = "google", now: datetime | None = None) -> tuple[Model, ...]:
    """All models of a service and publisher, in list order; with `now` without those that are retired by then."""
    return tuple(
        model
        for model in every_model()
        if model.publisher == publisher and model.is_on(is_vertex) and not (now is not None and model.is_retired(now))
    )


def is_publisher(name: str) -> bool:
    """Whether the catalogue has models of the publisher `name`, as paths of Vertex AI write it."""
    return any(publisher == name for publisher, _ in _by_name())


@cache
def every_model() -> tuple[Model, ...]:
    """All models of both services, in the order in which a list shows them."""
    data = msgspec.json.decode(files("understudy_simulator.catalogue").joinpath("models.json").read_bytes())
    kinds = data["kinds"]
    return tuple(_model(entry, kinds[entry["kind"]]) for entry in data["models"])


@cache
def _by_name() -> Mapping[tuple[str, str], Model]:
    return {(model.publisher, model.id): model for model in every_model()}


def _model(entry: Mapping[str, Any], kind: Mapping[str, Any]) -> Model:
    live = frozenset(cast("list[str]", entry.get("live", ())))
    only = entry.get("on")
    return Model(
        id=entry["id"],
        kind=entry["kind"],
        display_name=entry["name"],
        input_limit=entry["input"],
        output_limit=entry["output"],
        on_gemini=only != "vertex",
        on_vertex=only != "gemini",
        live_modalities=live,
        is_thinking=entry.get("thinking", False),
        publisher=entry.get("publisher", "google"),
        methods=frozenset([*cast("list[str]", kind["methods"]), *((_LIVE_METHOD,) if live else ())]),
        shown_methods=tuple(kind["shown"]),
        inputs=frozenset(entry.get("inputs", kind["inputs"])),
        outputs=frozenset(kind["outputs"]) if entry["kind"] != "live" else live,
        dimension=entry.get("dimension", 0),
        retires=date.fromisoformat(entry["retires"]) if "retires" in entry else None,
        is_kept=entry.get("kept", False),
    )
