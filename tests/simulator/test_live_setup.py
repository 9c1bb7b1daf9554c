"""Which setups a Live session takes: by model family, service and version; and what families are made of."""

import json
from datetime import UTC, datetime

import pytest
from live_rig import GEMINI, HALF_CASCADE, NATIVE, NEWER, NEWEST, REFUSED, VERTEX, Talk

from understudy.surfaces import Place, Surface
from understudy_simulator.catalogue import every_model
from understudy_simulator.cues import CloseWith, Finished
from understudy_simulator.live.families import VOICES, family_of, is_language

ALPHA = Place(Surface.GEMINI_LIVE, "bidiGenerateContent", "v1alpha", "")
THINKER = "models/gemini-3.8-live-extended-thinking"
OLDEST = "models/gemini-2.0-flash-live-001"
VERTEX_NATIVE = "projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash-native-audio"
VERTEX_NEWEST = "projects/p/locations/l/publishers/google/models/gemini-3.8-live"
TRANSLATOR = "models/gemini-3.5-live-translate-preview"
TRANSCRIBER = "models/gemini-3.5-transcribe-live"


def opened(setup, place=GEMINI, **how):
    """What comes of a setup: its answer's name, or the refusal."""
    first = Talk(place, **how).say(setup=setup)
    if isinstance(first[0], dict):
        return next(iter(first[0]))
    return REFUSED if first == REFUSED else first[0]


TAKEN = "setupComplete"
FUNCTION = {"functionDeclarations": [{"name": "f"}]}
LATE = {"functionDeclarations": [{"name": "f", "behavior": "NON_BLOCKING"}]}


def config(**fields):
    return {"generationConfig": {"responseModalities": ["AUDIO"], **fields}}


def voice(name):
    return config(speechConfig={"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}})


def detection(**fields):
    return {"realtimeInputConfig": {"automaticActivityDetection": fields}}


@pytest.mark.parametrize(
    ("place", "model", "fields", "is_taken"),
    [
        (GEMINI, NATIVE, voice("Puck"), True),
        (GEMINI, NATIVE, voice("puck"), True),
        (GEMINI, NATIVE, voice("Nobody"), False),
        (GEMINI, HALF_CASCADE, voice("Nobody"), True),
        (VERTEX, VERTEX_NATIVE, voice("Nobody"), False),
        *(
            (GEMINI, NATIVE, config(**{name: value}), False)
            for name, value in [
                ("responseLogprobs", True),
                ("logprobs", 2),
                ("responseMimeType", "application/json"),
                ("responseSchema", {"type": "STRING"}),
                ("responseJsonSchema", {"type": "string"}),
                ("stopSequences", ["x"]),
            ]
        ),
        (VERTEX, VERTEX_NATIVE, config(audioTimestamp=True), False),
        (
            GEMINI,
            NATIVE,
            config(temperature=0.5, topK=40.0, topP=0.9, seed=1, mediaResolution="MEDIA_RESOLUTION_LOW"),
            True,
        ),
        (GEMINI, NATIVE, config(thinkingConfig={"thinkingBudget": 0}), True),
        (GEMINI, THINKER, config(thinkingConfig={"includeThoughts": True}), True),
        (GEMINI, NEWEST, config(thinkingConfig={"thinkingBudget": 0}), False),
        (GEMINI, OLDEST, config(thinkingConfig={"thinkingBudget": 0}), False),
        (ALPHA, NATIVE, config(enableAffectiveDialog=True), True),
        (GEMINI, NATIVE, config(enableAffectiveDialog=True), False),
        (VERTEX, VERTEX_NATIVE, config(enableAffectiveDialog=True), True),
        (VERTEX, VERTEX_NEWEST, config(enableAffectiveDialog=True), False),
        (GEMINI, TRANSLATOR, config(translationConfig={"targetLanguageCode": "de"}), True),
        (GEMINI, NATIVE, config(translationConfig={"targetLanguageCode": "de"}), False),
        (GEMINI, NATIVE, detection(disabled=True), True),
        (GEMINI, NATIVE, detection(disabled=True, silenceDurationMs=300), False),
        (GEMINI, NATIVE, detection(disabled=True, prefixPaddingMs=0), False),
        (GEMINI, NATIVE, detection(silenceDurationMs=300, prefixPaddingMs=20), True),
        (VERTEX, VERTEX_NATIVE, detection(disabled=True, silenceDurationMs=300), True),
        (GEMINI, NATIVE, {"sessionResumption": {"transparent": True}}, False),
        (VERTEX, VERTEX_NATIVE, {"sessionResumption": {"transparent": True}}, True),
        (GEMINI, NATIVE, {"explicitVadSignal": True}, False),
        (VERTEX, VERTEX_NATIVE, {"explicitVadSignal": True}, True),
        (GEMINI, NATIVE, {"proactivity": {"proactiveAudio": True}}, True),
        (GEMINI, NATIVE, {"proactivity": {"proactiveAudio": False}}, True),
        (GEMINI, NEWEST, {"proactivity": {"proactiveAudio": True}}, True),
        (GEMINI, NEWEST, {"proactivity": {"proactiveAudio": False}}, False),
        (GEMINI, NEWER, {"proactivity": {"proactiveAudio": True}}, False),
        (GEMINI, OLDEST, {"historyConfig": {"initialHistoryInClientContent": True}}, False),
        (GEMINI, NEWER, {"historyConfig": {"initialHistoryInClientContent": True}}, True),
        (GEMINI, NATIVE, {"tools": [FUNCTION, {"googleSearch": {}}]}, True),
        (GEMINI, OLDEST, {"tools": [FUNCTION, {"googleSearch": {}}]}, False),
        (GEMINI, OLDEST, {"tools": [{"codeExecution": {}}, {"googleSearch": {}}]}, True),
        (GEMINI, NATIVE, {"tools": [{"codeExecution": {}}]}, False),
        (GEMINI, NATIVE, {"tools": [{"googleMaps": {}}]}, False),
        (GEMINI, TRANSLATOR, {"tools": [FUNCTION]}, False),
        (GEMINI, NATIVE, {"tools": [LATE]}, True),
        (GEMINI, NEWEST, {"tools": [LATE]}, True),
        (GEMINI, NEWER, {"tools": [LATE]}, False),
        (GEMINI, NEWER, {"tools": [FUNCTION]}, True),
    ],
)
def test_what_a_setup_may_ask_for(place, model, fields, is_taken):
    assert opened({"model": model} | fields, place) == (TAKEN if is_taken else REFUSED)


@pytest.mark.parametrize(
    ("model", "modality", "is_taken"),
    [(TRANSCRIBER, "TEXT", True), (TRANSCRIBER, "AUDIO", False), (NATIVE, "TEXT", False), (OLDEST, "TEXT", True)],
)
def test_the_modalities_of_a_model(model, modality, is_taken):
    told = opened({"model": model, "generationConfig": {"responseModalities": [modality]}})
    why = f"The requested combination of response modalities ({modality}) is not supported by the model. {model}"
    assert told == (TAKEN if is_taken else CloseWith(1007, why[:123]))


@pytest.mark.parametrize("model", [NATIVE, HALF_CASCADE, NEWEST])
@pytest.mark.parametrize("voice_name", sorted(VOICES))
def test_every_voice_is_taken(model, voice_name):
    assert opened({"model": model} | voice(voice_name)) == TAKEN


def test_a_language_that_is_not_to_be_had():
    told = opened({"model": NATIVE} | config(speechConfig={"languageCode": "fa-IR"}))
    assert told == CloseWith(1007, f"Unsupported language code 'fa-IR' for model {NATIVE}")
    assert opened({"model": NATIVE} | config(speechConfig={"languageCode": "en-us"})) == TAKEN
    assert [is_language(code) for code in ("en", "de-DE", "cmn_CN", "xx", "en-")] == [True, True, True, False, False]


def test_fields_that_a_setup_does_not_have():
    assert opened({"model": NATIVE, "color": 1}) == CloseWith(
        1007, "Invalid JSON payload received. Unknown name \"color\" at 'setup': Cannot find field."
    )
    # Free-form maps keep their own names, in any spelling (wire-live 0.5).
    schema = {"type": "object", "properties": {"some_thing": {"type": "string"}}}
    declared = {"name": "f", "parameters_json_schema": schema}
    assert opened({"model": NATIVE, "tools": [{"function_declarations": [declared]}]}) == TAKEN


def test_any_body_lets_unknown_fields_pass():
    assert opened({"model": NATIVE, "color": 1}, takes_any=True) == TAKEN


def test_a_model_that_old_samples_name_is_taken_after_its_last_day():
    assert opened({"model": NEWER}, now=datetime(2030, 1, 1, tzinfo=UTC)) == TAKEN


def test_every_live_model_has_a_family_that_fits_its_age():
    families = {model.id: family_of(model.id) for model in every_model() if model.live_modalities}
    for name, family in families.items():
        is_newer = name.startswith(("gemini-3.1", "gemini-3.8"))
        # wire-live 0.13: 2.x closes the calling turn at once, 3.x Live models do not.
        assert family.closes_calling_turn is not is_newer, name
        assert family.takes_media_chunks is (not name.startswith("gemini-3")), name
    assert {family.name for family in families.values()} >= {"2.0", "half cascade", "2.5 native audio", "3.1", "3.8"}


def test_a_refused_setup_ends_the_session():
    talk = Talk()
    assert talk.say(setup={"model": NATIVE, "color": 1})[1:] == [Finished()]
    assert talk.say(setup={"model": NATIVE}) == []
    assert json.dumps(talk.ask("hello")) == "[]"
