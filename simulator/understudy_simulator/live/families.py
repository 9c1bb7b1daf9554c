"""Families of Live models as data: what a session may ask of each, and the quirks that clients rely on. Pure.

Sources: wire-live 0.13, 3, 5.3, 5.4, 6. Which tools a family takes follows Google's table of Live tools; modalities and
days of retirement stand in the catalogue.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

Calling = Literal["blocking", "either", "non_blocking"]
Coverage = Literal[
    "TURN_INCLUDES_ONLY_ACTIVITY", "TURN_INCLUDES_ALL_INPUT", "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"
]
Proactivity = Literal["never", "asked", "always"]

ALL_VIDEO: Final = "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"
_PLAIN_TOOLS: Final = frozenset({"functionDeclarations", "googleSearch"})
_OLD_TOOLS: Final = _PLAIN_TOOLS | {"codeExecution", "urlContext", "googleSearchRetrieval"}


@dataclass(frozen=True, slots=True)
class Family:
    """How the models of one family hold sessions.

    `closes_calling_turn`: a blocking call ends its turn at once; else the turn stays open until the response is there.
    `needs_roles`: turns without a role are refused. `answers_model_turns`: content whose last turn is the model's own
    gets an answer. `waits_after_history`: announced history is not answered until something is said to it. `calling`:
    which `behavior` functions may have; the last is the default, too. `tools`: what tools may be named; `mixes_tools`:
    functions beside them. `proactivity` "always": may keep silent unasked, and refuses to have it switched off.
    `tells_status`: ends of turns say `interactionStatus`. `checks_voices`: an unknown voice is refused on the Gemini
    API, too. `tells_traces`: it refuses some things in the words of its backend.
    `tells_language`: transcriptions name their language unasked; `drafts`: there are interim transcriptions.
    """

    name: str
    closes_calling_turn: bool = True
    needs_roles: bool = False
    answers_model_turns: bool = False
    waits_after_history: bool = False
    takes_media_chunks: bool = True
    takes_context_update: bool = False
    takes_history: bool = True
    calling: Calling = "either"
    tools: frozenset[str] = _PLAIN_TOOLS
    mixes_tools: bool = True
    coverage: Coverage = "TURN_INCLUDES_ONLY_ACTIVITY"
    thinks: bool = False
    is_affective: bool = False
    proactivity: Proactivity = "never"
    tells_status: bool = False
    checks_voices: bool = False
    tells_traces: bool = False
    tells_language: bool = False
    drafts: bool = False
    is_translator: bool = False
    is_transcriber: bool = False


_HALF_CASCADE: Final = Family("half cascade", tools=_OLD_TOOLS)
_OLDEST: Final = Family("2.0", tools=_OLD_TOOLS, mixes_tools=False, takes_history=False, tells_traces=True)
_NATIVE: Final = Family("2.5 native audio", thinks=True, is_affective=True, proactivity="asked", checks_voices=True)
_NEWER: Final = Family(
    "3.1",
    closes_calling_turn=False,
    needs_roles=True,
    answers_model_turns=True,
    waits_after_history=True,
    takes_media_chunks=False,
    calling="blocking",
    coverage=ALL_VIDEO,
    thinks=True,
    checks_voices=True,
)
_NEWEST: Final = Family(
    "3.8",
    closes_calling_turn=False,
    needs_roles=True,
    answers_model_turns=True,
    waits_after_history=True,
    takes_media_chunks=False,
    takes_context_update=True,
    calling="non_blocking",
    coverage=ALL_VIDEO,
    proactivity="always",
    checks_voices=True,
)
_THINKING: Final = replace(_NEWEST, name="3.8 extended thinking", thinks=True, tells_status=True)
_TRANSLATOR: Final = Family(
    "3.5 translate",
    takes_media_chunks=False,
    tools=frozenset(),
    takes_history=False,
    tells_language=True,
    is_translator=True,
)
_TRANSCRIBER: Final = Family(
    "3.5 transcribe",
    takes_media_chunks=False,
    tools=frozenset(),
    takes_history=False,
    tells_language=True,
    drafts=True,
    is_transcriber=True,
)

_BY_START: Final = (
    ("gemini-3.8-live-extended-thinking", _THINKING),
    ("gemini-3.5-live-translate", _TRANSLATOR),
    ("gemini-3.5-transcribe-live", _TRANSCRIBER),
    ("gemini-3.1-", _NEWER),
    ("gemini-3", _NEWEST),
    ("gemini-2.0-", _OLDEST),
)


def family_of(model: str) -> Family:
    """The family of a model's bare id; ids that are not known yet count to the nearest relative."""
    for start, family in _BY_START:
        if model.startswith(start):
            return family
    return _NATIVE if "native-audio" in model else _HALF_CASCADE


VOICES: Final = frozenset(
    {
        *("Achernar", "Achird", "Algenib", "Algieba", "Alnilam", "Aoede", "Autonoe", "Callirrhoe", "Charon", "Despina"),
        *("Enceladus", "Erinome", "Fenrir", "Gacrux", "Iapetus", "Kore", "Laomedeia", "Leda", "Orus", "Puck"),
        *("Pulcherrima", "Rasalgethi", "Sadachbia", "Sadaltager", "Schedar", "Sulafat", "Umbriel", "Vindemiatrix"),
        *("Zephyr", "Zubenelgenubi"),
    }
)
"""The prebuilt voices (wire-live 6)."""

LANGUAGES: Final = frozenset(
    {
        *("ar-XA", "bn-IN", "cmn-CN", "de-DE", "en-AU", "en-GB", "en-IN", "en-US", "es-ES", "es-US", "fr-CA", "fr-FR"),
        *("gu-IN", "hi-IN", "id-ID", "it-IT", "ja-JP", "kn-IN", "ko-KR", "ml-IN", "mr-IN", "nl-NL", "pl-PL", "pt-BR"),
        *("ru-RU", "ta-IN", "te-IN", "th-TH", "tr-TR", "vi-VN"),
    }
)
"""Language codes that the Live API lists for speech."""


def is_language(code: str) -> bool:
    """Whether a `languageCode` is one of them: in any case, with or without the region."""
    wanted = code.replace("_", "-").lower()
    return any(known.lower() == wanted or known.lower().partition("-")[0] == wanted for known in LANGUAGES)
