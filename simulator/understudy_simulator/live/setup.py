"""The setup of a Live session: read, judged by what model and service take (wire-live 3.1, 5.1, 6). Pure."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from zlib import crc32

from understudy.scenario.json_subset import camel_case
from understudy.surfaces import Place

from ..answers.reading import Members, flag_in, member, members_in, strings_in, text_in
from ..catalogue import Model, model_of
from .families import VOICES, Coverage, Family, family_of, is_language
from .machine.detection import Sensitivity, has_paddings, sensitivity_of
from .refusals import (
    INVALID_ARGUMENT,
    VOICE_WITHOUT_AUDIO,
    Refusal,
    live_model_place,
    two_modalities,
    unknown_live_model,
    unsupported_language,
    unsupported_modalities,
)

_NOT_LIVE: Final = (
    *("responseLogprobs", "logprobs", "responseMimeType", "responseSchema", "responseJsonSchema"),
    *("stopSequences", "routingConfig", "audioTimestamp"),
)
"""Fields of generationConfig that Live sessions do not have (wire-live 3.1)."""

_TRANSCRIPTIONS: Final = ("inputAudioTranscription", "outputAudioTranscription")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
_ALPHA: Final = "alpha"
_COVERAGES: Final[Mapping[str, Coverage]] = {
    "TURN_INCLUDES_ONLY_ACTIVITY": "TURN_INCLUDES_ONLY_ACTIVITY",
    "TURN_INCLUDES_ALL_INPUT": "TURN_INCLUDES_ALL_INPUT",
    "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO": "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO",
}


@dataclass(frozen=True, slots=True)
class Setup:
    """`setup`: the model as the client names it, the modalities it asks for (AUDIO if it names none), switches.

    `members` is the whole object. `is_manual`: the client marks activity itself; `keeps_talking`: input does not
    interrupt; `takes_history`: the first content is history, not a question; `coverage` None: the model's own.
    `resumes`: handles are wanted; `handle` the one to go on from; `is_transparent`: handles tell what they cover.
    """

    model: str
    modalities: tuple[str, ...]
    members: Members
    voice: str | None = None
    has_voice: bool = False
    is_manual: bool = False
    keeps_talking: bool = False
    takes_history: bool = False
    transcribes_input: bool = False
    transcribes_output: bool = False
    signals_activity: bool = False
    coverage: Coverage | None = None
    resumes: bool = False
    handle: str | None = None
    is_transparent: bool = False
    is_proactive: bool | None = None

    @property
    def consent(self) -> str | None:
        """The signature of the consent that came with a voice of the client's own; None if none came."""
        replicated = _replicated_voice(self)
        return None if not text_in(replicated, "consentAudio") else _signature(replicated)

    @property
    def voice_number(self) -> int:
        """A number for the voice, 0 for none."""
        return crc32(self.voice.encode("utf-8", "replace")) if self.voice else 0

    @property
    def detection(self) -> Any:
        """`automaticActivityDetection` as it came."""
        return member(member(self.members, "realtimeInputConfig"), "automaticActivityDetection")


def read_setup(content: Members) -> Setup | Refusal:
    """The setup in `content`; a refusal if it names no model."""
    model = text_in(content, "model")
    config = member(content, "generationConfig")
    modalities = tuple(dict.fromkeys(name.upper() for name in strings_in(config, "responseModalities")))
    if not model:
        return INVALID_ARGUMENT
    realtime = member(content, "realtimeInputConfig")
    speech = member(config, "speechConfig")
    resumption = member(content, "sessionResumption")
    proactive = member(member(content, "proactivity"), "proactiveAudio")
    return Setup(
        model,
        modalities or ("AUDIO",),
        content,
        voice=text_in(member(member(speech, "voiceConfig"), "prebuiltVoiceConfig"), "voiceName"),
        has_voice=speech is not None,
        is_manual=flag_in(member(realtime, "automaticActivityDetection"), "disabled"),
        keeps_talking=text_in(realtime, "activityHandling") == "NO_INTERRUPTION",
        takes_history=flag_in(member(content, "historyConfig"), "initialHistoryInClientContent"),
        # Presence is the switch: `{}` counts (wire-live 3.1).
        transcribes_input=member(content, "inputAudioTranscription") is not None,
        transcribes_output=member(content, "outputAudioTranscription") is not None,
        signals_activity=flag_in(content, "explicitVadSignal"),
        coverage=_COVERAGES.get(text_in(realtime, "turnCoverage") or ""),
        resumes=resumption is not None,
        handle=text_in(resumption, "handle") or None,
        is_transparent=flag_in(resumption, "transparent"),
        is_proactive=proactive if isinstance(proactive, bool) else None,
    )


@dataclass(frozen=True, slots=True)
class Admitted:
    """A setup that the service takes, and what it means: the model, its family, how it listens."""

    setup: Setup
    model: Model
    family: Family
    sensitivity: Sensitivity
    coverage: Coverage
    is_vertex: bool

    @property
    def speaks(self) -> bool:
        """Whether answers are audio."""
        return "AUDIO" in self.setup.modalities

    @property
    def may_keep_silent(self) -> bool:
        """Whether the model may leave out an answer (proactive audio)."""
        return self.family.proactivity == "always" or bool(self.setup.is_proactive)


def admit(setup: Setup, place: Place, now: datetime | None = None, trace_id: str = "") -> Admitted | Refusal:
    """What a setup means at a place, or why the service refuses it; `now` decides which models are retired.

    `trace_id` stands in refusals of the models of 2024.
    """
    named = live_model_place(setup.model, place)
    is_vertex = place.surface.is_vertex
    model = model_of(named.model or "", is_vertex, now=now) if named.publisher in (None, "google") else None
    if model is None or not model.can("bidiGenerateContent"):
        return unknown_live_model(setup.model, place)
    family = family_of(model.id)
    if len(setup.modalities) > 1 and family.tells_traces:
        return two_modalities(trace_id)
    if len(setup.modalities) > 1 or not model.live_modalities.issuperset(setup.modalities):
        return unsupported_modalities(setup.modalities, setup.model)
    if setup.has_voice and "AUDIO" not in setup.modalities:
        return VOICE_WITHOUT_AUDIO
    refusal = (
        _refused_speech(setup, family, is_vertex)
        or _refused_voice(setup)
        or _refused_config(setup, family, is_vertex, place.version)
        or _refused_switches(setup, family, is_vertex)
        or refused_tools(member(setup.members, "tools"), family)
    )
    if refusal is not None:
        return refusal
    return Admitted(
        setup,
        model,
        family,
        sensitivity_of(setup.detection, is_vertex),
        setup.coverage or family.coverage,
        is_vertex,
    )


def _refused_speech(setup: Setup, family: Family, is_vertex: bool) -> Refusal | None:
    """An unknown voice (wire-live 6: ignored by half-cascade models on Gemini), an unknown language."""
    if setup.voice is not None and setup.voice.capitalize() not in VOICES and (is_vertex or family.checks_voices):
        return INVALID_ARGUMENT
    language = text_in(member(member(setup.members, "generationConfig"), "speechConfig"), "languageCode")
    if language and not is_language(language):
        return unsupported_language(language, setup.model)
    return None


def _replicated_voice(setup: Setup) -> Any:
    speech = member(member(setup.members, "generationConfig"), "speechConfig")
    return member(member(speech, "voiceConfig"), "replicatedVoiceConfig")


def _signature(replicated: Any) -> str:
    """The signature of the consent to a voice: ours, so that it is good in every later session."""
    sample = text_in(replicated, "voiceSampleAudio") or ""
    return urlsafe_b64encode(
        sha256(b"understudy voice consent\0" + sample.encode("utf-8", "replace")).digest()
    ).decode()


def _refused_voice(setup: Setup) -> Refusal | None:
    """A voice of the client's own that is no WAV, or whose consent is signed by somebody else."""
    replicated = _replicated_voice(setup)
    if replicated is None:
        return None
    kind, signed = text_in(replicated, "mimeType"), member(replicated, "voiceConsentSignature")
    wrong = kind is not None and kind.lower() != "audio/wav"
    wrong |= signed is not None and text_in(signed, "signature") != _signature(replicated)
    return INVALID_ARGUMENT if wrong else None


def _refused_config(setup: Setup, family: Family, is_vertex: bool, version: str) -> Refusal | None:
    """Fields of generationConfig that Live sessions, the model or the version of the API do not have."""
    config = member(setup.members, "generationConfig")
    wrong = any(member(config, name) is not None for name in _NOT_LIVE)
    wrong |= member(config, "thinkingConfig") is not None and not family.thinks
    if member(config, "enableAffectiveDialog") is not None:
        wrong |= not family.is_affective or not (is_vertex or _ALPHA in version)
    translation = member(config, "translationConfig")
    wrong |= translation is not None and not family.is_translator
    target = text_in(translation, "targetLanguageCode")
    wrong |= target is not None and not _LANGUAGE.fullmatch(target)
    return INVALID_ARGUMENT if wrong else None


def _refused_switches(setup: Setup, family: Family, is_vertex: bool) -> Refusal | None:
    """What one service has and the other not; what the family does not have."""
    on_vertex_only = setup.is_transparent or setup.signals_activity
    # Gemini refuses padding and silence beside `disabled`; Vertex does not (wire-live 3.1).
    padded = setup.is_manual and has_paddings(setup.detection)
    wrong = not is_vertex and (on_vertex_only or padded)
    if setup.is_proactive is not None:
        wrong |= family.proactivity == "never" or (family.proactivity == "always" and not setup.is_proactive)
    wrong |= setup.takes_history and not family.takes_history
    wrong |= any(map(_is_overdone, (member(setup.members, name) for name in _TRANSCRIPTIONS)))
    return INVALID_ARGUMENT if wrong else None


def _is_overdone(transcription: Any) -> bool:
    """Whether a transcription is to be SMART and to have times or speakers: they do not go together."""
    is_smart = (text_in(transcription, "mode") or "").upper() == "SMART"
    return is_smart and (flag_in(transcription, "wordTimestamp") or flag_in(transcription, "diarization"))


def refused_tools(tools: Any, family: Family) -> Refusal | None:
    """Why a family does not take these tools: an unknown kind, a mixture, a way of calling that it has not."""
    entries = members_in({"tools": tools}, "tools")
    kinds = {camel_case(name) for entry in entries for name, value in entry.items() if value is not None}
    wrong = not kinds <= family.tools
    wrong |= not family.mixes_tools and "functionDeclarations" in kinds and len(kinds) > 1
    behaviors = behaviors_of(tools)
    wrong |= family.calling == "blocking" and "NON_BLOCKING" in behaviors.values()
    return INVALID_ARGUMENT if wrong else None


def behaviors_of(tools: Any) -> dict[str, str]:
    """The `behavior` of each declared function that names one."""
    found: dict[str, str] = {}
    for entry in members_in({"tools": tools}, "tools"):
        for declaration in members_in(entry, "functionDeclarations"):
            name, behavior = text_in(declaration, "name"), text_in(declaration, "behavior")
            if name and behavior:
                found[name] = behavior.upper()
    return found


def kinds_of(tools: Any) -> frozenset[str]:
    """The kinds of tools, in camelCase."""
    return frozenset(camel_case(name) for entry in members_in({"tools": tools}, "tools") for name in entry)
