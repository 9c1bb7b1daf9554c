"""The models that the simulated services know, as data: which service has them and what they can do.

Sources: wire-http 6.1 (VEO ids differ by service), wire-live 6 (Live models and their modalities); limits and display
names in the services' model pages. Retired ids that old samples still use are kept on purpose.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["text", "live", "veo"]

_TEXT_METHODS: Final = ("generateContent", "streamGenerateContent", "countTokens")
_METHODS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "text": _TEXT_METHODS,
    "live": ("bidiGenerateContent", "countTokens"),
    "veo": ("predictLongRunning", "fetchPredictOperation"),
}
_SHOWN_METHODS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "text": ("generateContent", "countTokens", "createCachedContent", "batchGenerateContent"),
    "live": ("countTokens", "bidiGenerateContent"),
    "veo": ("predictLongRunning",),
}


@dataclass(frozen=True, slots=True)
class Model:
    """One model. `input_limit` and `output_limit` are tokens.

    `live_modalities` are the response modalities of its Live sessions (wire-live 6), empty if it has none.
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

    @property
    def shown_methods(self) -> tuple[str, ...]:
        """What `supportedGenerationMethods` of a model resource says."""
        return _SHOWN_METHODS[self.kind]

    @property
    def version(self) -> str:
        """The `version` of its model resource."""
        tail = self.id.rpartition("-")[2]
        return tail if tail.isdigit() and len(tail) == 3 else "001"

    def can(self, method: str) -> bool:
        """Whether it answers the RPC `method`, named like the verb in a path."""
        return method in _METHODS[self.kind] or (method == "bidiGenerateContent" and bool(self.live_modalities))

    def is_on(self, is_vertex: bool) -> bool:
        """Whether Vertex AI (True) or the Gemini API (False) has it."""
        return self.on_vertex if is_vertex else self.on_gemini


_BOTH_MODALITIES: Final = frozenset({"TEXT", "AUDIO"})
_AUDIO: Final = frozenset({"AUDIO"})
_TEXT: Final = frozenset({"TEXT"})


def _text(
    name: str, display: str, *, output: int = 65_536, gemini: bool = True, vertex: bool = True, thinking: bool = True
) -> Model:
    return Model(name, "text", display, 1_048_576, output, gemini, vertex, is_thinking=thinking)


def _live(
    name: str, display: str, modalities: frozenset[str], *, gemini: bool = True, vertex: bool = True, output: int = 8192
) -> Model:
    return Model(name, "live", display, 131_072, output, gemini, vertex, modalities)


def _veo(name: str, display: str, *, gemini: bool = True, vertex: bool = True) -> Model:
    return Model(name, "veo", display, 480, 8192, gemini, vertex)


MODELS: Final[tuple[Model, ...]] = (
    _text("gemini-2.5-pro", "Gemini 2.5 Pro"),
    _text("gemini-2.5-flash", "Gemini 2.5 Flash"),
    _text("gemini-2.5-flash-lite", "Gemini 2.5 Flash-Lite"),
    _text("gemini-2.5-flash-preview-09-2025", "Gemini 2.5 Flash Preview Sep 2025"),
    _text("gemini-2.5-flash-lite-preview-09-2025", "Gemini 2.5 Flash-Lite Preview Sep 2025"),
    _text("gemini-2.0-flash", "Gemini 2.0 Flash", output=8192, thinking=False),
    _text("gemini-2.0-flash-001", "Gemini 2.0 Flash 001", output=8192, thinking=False),
    _text("gemini-2.0-flash-lite", "Gemini 2.0 Flash-Lite", output=8192, thinking=False),
    _text("gemini-2.0-flash-lite-001", "Gemini 2.0 Flash-Lite 001", output=8192, thinking=False),
    Model(
        *("gemini-2.0-flash-exp", "text", "Gemini 2.0 Flash Experimental", 1_048_576, 8192),
        live_modalities=_BOTH_MODALITIES,
    ),
    _text("gemini-1.5-pro", "Gemini 1.5 Pro", output=8192, thinking=False),
    _text("gemini-1.5-flash", "Gemini 1.5 Flash", output=8192, thinking=False),
    _text("gemini-3-pro-preview", "Gemini 3 Pro Preview"),
    _text("gemini-3-flash-preview", "Gemini 3 Flash Preview"),
    _text("gemini-3.1-pro-preview", "Gemini 3.1 Pro Preview"),
    _text("gemini-3.1-flash-lite", "Gemini 3.1 Flash-Lite"),
    _text("gemini-3.1-flash-lite-preview", "Gemini 3.1 Flash-Lite Preview"),
    _text("gemini-3.5-flash", "Gemini 3.5 Flash"),
    _text("gemini-3.5-flash-lite", "Gemini 3.5 Flash-Lite"),
    _text("gemini-3.6-flash", "Gemini 3.6 Flash"),
    _text("gemini-3.7-flash", "Gemini 3.7 Flash"),
    _text("gemini-3.8-flash", "Gemini 3.8 Flash"),
    _text("gemini-flash-latest", "Gemini Flash Latest"),
    _text("gemini-flash-lite-latest", "Gemini Flash-Lite Latest"),
    _text("gemini-pro-latest", "Gemini Pro Latest"),
    _live("gemini-3.8-live", "Gemini 3.8 Live", _AUDIO, output=65_536),
    _live(
        "gemini-3.8-live-extended-thinking", "Gemini 3.8 Live Extended Thinking", _AUDIO, vertex=False, output=65_536
    ),
    _live("gemini-3.1-flash-live-preview", "Gemini 3.1 Flash Live Preview", _AUDIO, vertex=False),
    _live("gemini-2.5-flash-native-audio-latest", "Gemini 2.5 Flash Native Audio Latest", _AUDIO, vertex=False),
    _live("gemini-2.5-flash-native-audio-preview-09-2025", "Gemini 2.5 Flash Native Audio Preview 09-2025", _AUDIO),
    _live("gemini-2.5-flash-native-audio-preview-12-2025", "Gemini 2.5 Flash Native Audio Preview 12-2025", _AUDIO),
    _live("gemini-live-2.5-flash-native-audio", "Gemini Live 2.5 Flash Native Audio", _AUDIO, gemini=False),
    _live("gemini-live-2.5-flash-preview-native-audio", "Gemini Live 2.5 Flash Native Audio Preview", _AUDIO),
    _live(
        "gemini-live-2.5-flash-preview-native-audio-09-2025",
        "Gemini Live 2.5 Flash Native Audio Preview 09-2025",
        _AUDIO,
    ),
    _live("gemini-live-2.5-flash", "Gemini Live 2.5 Flash", _BOTH_MODALITIES),
    _live("gemini-live-2.5-flash-preview", "Gemini Live 2.5 Flash Preview", _BOTH_MODALITIES),
    _live("gemini-2.0-flash-live-001", "Gemini 2.0 Flash Live 001", _BOTH_MODALITIES),
    _live("gemini-2.0-flash-live-preview-04-09", "Gemini 2.0 Flash Live Preview 04-09", _BOTH_MODALITIES),
    _live("gemini-2.0-flash-live-preview", "Gemini 2.0 Flash Live Preview", _BOTH_MODALITIES),
    _live("gemini-3.5-live-translate-preview", "Gemini 3.5 Live Translate Preview", _AUDIO),
    _live("gemini-3.5-transcribe-live", "Gemini 3.5 Transcribe Live", _TEXT),
    _live("gemini-3.5-transcribe-live-preview", "Gemini 3.5 Transcribe Live Preview", _TEXT),
    _veo("veo-3.1-generate-preview", "Veo 3.1"),
    _veo("veo-3.1-fast-generate-preview", "Veo 3.1 fast"),
    _veo("veo-3.1-lite-generate-preview", "Veo 3.1 lite", vertex=False),
    _veo("veo-3.1-generate-001", "Veo 3.1", gemini=False),
    _veo("veo-3.1-fast-generate-001", "Veo 3.1 fast", gemini=False),
    _veo("veo-3.1-lite-generate-001", "Veo 3.1 lite", gemini=False),
    _veo("veo-3.0-generate-001", "Veo 3"),
    _veo("veo-3.0-fast-generate-001", "Veo 3 fast"),
    _veo("veo-3.0-generate-preview", "Veo 3"),
    _veo("veo-3.0-fast-generate-preview", "Veo 3 fast"),
    _veo("veo-2.0-generate-001", "Veo 2"),
)
"""In the order in which a list shows them."""

_BY_ID: Final = {model.id: model for model in MODELS}


def model_of(name: str, is_vertex: bool) -> Model | None:
    """The model `name` (a bare id) of that service, or None if that service has no such model."""
    found = _BY_ID.get(name)
    return found if found is not None and found.is_on(is_vertex) else None


def models_of(is_vertex: bool) -> tuple[Model, ...]:
    """All models of a service, in list order."""
    return tuple(model for model in MODELS if model.is_on(is_vertex))
