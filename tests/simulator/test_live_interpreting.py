"""Sessions of Live Translate: audio without end in step with the client's, no turns, no interruption."""

from array import array
from base64 import b64decode
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_rig import COMPLETE, GEMINI, REFUSED, VERTEX, Talk, blob, kinds_of, pcm_in, silence, tone

from understudy_simulator.cues import Wait
from understudy_simulator.live.machine.interpreting import resampled
from understudy_simulator.live.machine.memory import SessionMemory
from understudy_simulator.live.settings import LiveSettings

MODEL = "models/gemini-3.5-live-translate-preview"
VERTEX_MODEL = "projects/p/locations/l/publishers/google/models/gemini-3.5-live-translate-preview"
STREAM_END = {"audioStreamEnd": True}
PIECE_S = 0.25


def interpreter(target="fr", place=GEMINI, settings=None, memory=None, echo=None, **setup) -> Any:
    talk: Any = Talk(place, settings=settings or LiveSettings(), memory=memory)
    config: Any = {"responseModalities": ["AUDIO"], "translationConfig": {"targetLanguageCode": target}}
    if echo is not None:
        config["translationConfig"]["echoTargetLanguage"] = echo
    model = VERTEX_MODEL if place is VERTEX else MODEL
    talk.opened = talk.say(setup={"model": model, "generationConfig": config} | setup)
    return talk


def hear(talk, *sounds):
    """Sounds, each said whole before the next comes."""
    return [message for sound in sounds for message in talk.say(realtimeInput={"audio": sound})]


def pieces(messages):
    return [pcm_in([m]) for m in messages if "modelTurn" in m.get("serverContent", {})]


def handle_in(messages):
    """The newest handle."""
    return [m["sessionResumptionUpdate"]["newHandle"] for m in messages if "sessionResumptionUpdate" in m][-1]


def only(messages, name):
    return [m["serverContent"][name] for m in messages if name in m.get("serverContent", {})]


def test_silence_is_answered_by_as_much_silence_in_pieces_of_250_ms():
    talk = interpreter()
    found = hear(talk, silence(2.0))
    assert kinds_of(found) == ["modelTurn"] * 8
    assert pieces(found) == [bytes(12_000)] * 8


def test_a_piece_is_due_when_the_client_has_said_as_much():
    talk = interpreter()
    found = [kinds_of(hear(talk, silence(0.05))) for _ in range(11)]
    assert found == [[], [], [], [], ["modelTurn"], [], [], [], [], ["modelTurn"], []]


def test_what_comes_at_once_is_said_at_real_time():
    talk = interpreter()
    found = talk.start_to_say(realtimeInput={"audio": silence(1.0)})
    assert kinds_of(found) == ["modelTurn"]
    assert kinds_of(talk.go_on()) == ["modelTurn"] * 3
    assert [(wait.seconds, wait.paced) for wait in talk.waits] == [(PIECE_S, False)] + [(PIECE_S, True)] * 3
    at_once = interpreter(settings=LiveSettings(audio_pace=0))
    assert kinds_of(at_once.start_to_say(realtimeInput={"audio": silence(1.0)})) == ["modelTurn"] * 4
    assert at_once.waits == []


def test_speech_is_answered_by_a_voice_while_it_goes_on_and_by_silence_after():
    talk = interpreter()
    loud = [piece != bytes(12_000) for piece in pieces(hear(talk, silence(0.5), tone(1.0), silence(2.0)))]
    assert loud[:2] == [False] * 2
    assert all(loud[2:6])
    assert loud[-2:] == [False] * 2
    assert len(loud) == 14


def test_new_speech_does_not_interrupt():
    talk = interpreter()
    found = talk.start_to_say(realtimeInput={"audio": tone(2.0)})
    found += talk.start_to_say(realtimeInput={"audio": silence(1.0)})
    found += talk.start_to_say(realtimeInput={"audio": tone(1.0)})
    found += talk.go_on()
    assert kinds_of(found) == ["modelTurn"] * 16


def test_the_end_of_the_stream_ends_the_turn_with_the_usage_of_all():
    talk = interpreter()
    hear(talk, tone(1.0), silence(1.0))
    found = talk.say(realtimeInput=STREAM_END)
    assert found[0] == COMPLETE
    usage = found[1]["usageMetadata"]
    assert found[1]["serverContent"] == {"turnComplete": True}
    assert usage["promptTokensDetails"] == [{"modality": "AUDIO", "tokenCount": 50}]
    assert usage["responseTokensDetails"] == [{"modality": "AUDIO", "tokenCount": 50}]
    assert len(found) == 2
    assert talk.say(realtimeInput=STREAM_END) == []
    assert kinds_of(hear(talk, silence(0.5))) == ["modelTurn"] * 2
    again = talk.say(realtimeInput=STREAM_END)[-1]["usageMetadata"]
    assert again["promptTokenCount"] == 50 + 50 + 13
    assert again["responseTokenCount"] == 13


def test_the_end_of_the_stream_comes_behind_what_is_still_to_be_said():
    talk = interpreter()
    found = talk.start_to_say(realtimeInput={"audio": silence(1.1)})
    found += talk.start_to_say(realtimeInput=STREAM_END) + talk.go_on()
    assert kinds_of(found) == ["modelTurn"] * 5 + ["generationComplete", "turnComplete"]
    assert len(b"".join(pieces(found))) == 52_800


def test_usage_has_the_names_of_the_service():
    talk = interpreter(place=VERTEX)
    hear(talk, silence(1.0))
    usage = talk.say(realtimeInput=STREAM_END)[-1]["usageMetadata"]
    assert usage["candidatesTokenCount"] == 25
    assert usage["trafficType"] == "ON_DEMAND"


def test_both_sides_are_written_down_in_their_languages():
    talk = interpreter(inputAudioTranscription={}, outputAudioTranscription={})
    found = hear(talk, tone(1.0), silence(2.0))
    assert only(found, "inputTranscription") == [{"text": "(1.0 seconds of audio)", "languageCode": "en-US"}]
    assert only(found, "outputTranscription") == [{"text": "(1.0 seconds of audio, in fr)", "languageCode": "fr"}]
    usage = talk.say(realtimeInput=STREAM_END)[-1]["usageMetadata"]
    assert usage["responseTokensDetails"][0] == {"modality": "TEXT", "tokenCount": 13}
    quiet = interpreter()
    assert set(kinds_of(hear(quiet, tone(1.0), silence(2.0)))) == {"modelTurn"}


def test_the_spoken_language_is_what_the_setup_names_or_not_the_target():
    def spoken(target, **config):
        talk = interpreter(target, inputAudioTranscription=config)
        return only(hear(talk, tone(1.0), silence(2.0)), "inputTranscription")[0]["languageCode"]

    assert spoken("fr", languageCodes=["pt-BR"]) == "pt-BR"
    assert spoken("en-GB") == "es-ES"
    assert spoken("es") == "en-US"


def test_the_target_language_is_not_spoken_again_unless_that_is_wanted():
    both = {"inputAudioTranscription": {"languageCodes": ["fr-FR"]}, "outputAudioTranscription": {}}
    talk = interpreter("fr", **both)
    found = hear(talk, tone(1.0), silence(2.0))
    assert set(pieces(found)) == {bytes(12_000)}
    assert len(only(found, "inputTranscription")) == 1
    assert only(found, "outputTranscription") == []
    assert pieces(hear(interpreter("fr", echo=False, **both), tone(1.0))) == [bytes(12_000)] * 4


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 48_000])
def test_the_echo_is_what_was_heard(rate_hz):
    both = {"inputAudioTranscription": {"languageCodes": ["fr-FR"]}, "outputAudioTranscription": {}}
    talk = interpreter("fr", echo=True, **both)
    sound = tone(0.5, rate_hz)
    said = pieces(hear(talk, sound))
    assert [len(piece) for piece in said] == [12_000] * 2
    heard, echo = array("h", b64decode(sound["data"])), array("h", b"".join(said))
    assert [echo[at] for at in range(0, 12_000, 3)] == [heard[at * rate_hz // 24_000] for at in range(0, 12_000, 3)]
    found = hear(talk, silence(2.0, rate_hz))
    assert only(found, "outputTranscription") == [{"text": "(0.5 seconds of audio)", "languageCode": "fr"}]


@given(cuts=st.lists(st.integers(0, 48_000), max_size=12))
def test_it_does_not_matter_how_the_client_cuts_its_audio(cuts):
    sound = b64decode(tone(0.7)["data"]) + bytes(32_000)
    places = [0, *sorted(cut // 2 * 2 for cut in cuts), len(sound)]
    both: Any = {"inputAudioTranscription": {}, "outputAudioTranscription": {}}
    found = hear(interpreter(**both), *(blob(sound[one:other]) for one, other in pairwise(places)))
    assert found == hear(interpreter(**both), blob(sound))


MESSAGES: Any = st.sampled_from(
    [
        *({"realtimeInput": {"audio": sound}} for sound in (tone(0.3), silence(0.9), silence(0.02), blob(b"\x01"))),
        {"realtimeInput": {"audio": {"data": "AAAAAAAA", "mimeType": "audio/webm"}}},
        {"realtimeInput": {"audio": silence(0.4, 11_025)}},
        {"realtimeInput": {"audio": {"data": "!"}}},
        {"realtimeInput": STREAM_END},
        {"realtimeInput": {"activityStart": {}}},
        {"realtimeInput": {"activityEnd": {}}},
        {"realtimeInput": {}},
    ]
)


@given(said=st.lists(st.tuples(MESSAGES, st.booleans()), max_size=20), is_manual=st.booleans())
def test_any_order_of_messages_keeps_the_rules(said, is_manual):
    memory = SessionMemory(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    detection: Any = {"automaticActivityDetection": {"disabled": is_manual}}
    talk = interpreter(memory=memory, sessionResumption={}, realtimeInputConfig=detection)
    found = []
    for message, is_patient in said:
        was_over = talk.machine.finished
        came = talk.start_to_say(**message) + (talk.go_on() if is_patient else [])
        assert not (was_over and came)
        found += came
    found += [] if talk.machine.finished else talk.go_on()
    messages = [message for message in found if isinstance(message, dict)]
    kinds = kinds_of(messages)
    ends = sum(message["realtimeInput"] == STREAM_END for message, _ in said)
    assert kinds.count("generationComplete") == kinds.count("turnComplete") <= ends
    assert "interrupted" not in kinds
    told = [message["usageMetadata"] for message in messages if "usageMetadata" in message]
    assert len(told) == kinds.count("turnComplete")
    seconds = len(b"".join(pieces(messages))) / 48_000
    assert sum(usage["responseTokenCount"] for usage in told) <= seconds * 25 + ends


def test_other_languages_and_voices_sound_otherwise():
    def said(target, name):
        voice = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}}
        talk = Talk()
        config = {"speechConfig": voice, "translationConfig": {"targetLanguageCode": target}}
        talk.say(setup={"model": MODEL, "generationConfig": config})
        return b"".join(pieces(hear(talk, tone(1.0))))

    assert said("fr", "Puck") == said("fr", "Puck")
    assert len({said("fr", "Puck"), said("de", "Puck"), said("fr", "Kore")}) == 3


def test_the_client_may_mark_activity_itself():
    talk = interpreter(realtimeInputConfig={"automaticActivityDetection": {"disabled": True}})
    assert pieces(hear(talk, tone(0.5))) == [bytes(12_000)] * 2
    talk.say(realtimeInput={"activityStart": {}})
    assert bytes(12_000) not in pieces(hear(talk, silence(0.5)))
    talk.say(realtimeInput={"activityEnd": {}})
    assert pieces(hear(talk, silence(0.5))) == [bytes(12_000)] * 2


def test_activity_is_signalled_on_vertex():
    talk = interpreter(place=VERTEX, explicitVadSignal=True)
    found = hear(talk, silence(0.5), tone(1.0), silence(2.0))
    signals = [kind for kind in kinds_of(found) if kind != "modelTurn"]
    assert signals == ["voiceActivityDetectionSignal", "voiceActivity"] * 2


def test_compressed_audio_counts_by_its_size():
    talk = interpreter()
    opus = {"data": blob(bytes(4000))["data"], "mimeType": "audio/ogg"}
    assert len(pieces(hear(talk, opus))) == 4


@pytest.mark.parametrize(
    "message",
    [
        {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "Hello"}]}], "turnComplete": True}},
        {"realtimeInput": {"text": "Hello"}},
        {"realtimeInput": {"video": {"data": "AAAA", "mimeType": "image/jpeg"}}},
        {"toolResponse": {"functionResponses": [{"name": "x", "response": {}}]}},
        {"contextUpdate": {"tools": {"tools": []}}},
    ],
)
def test_it_takes_nothing_but_audio(message):
    assert interpreter().say(**message) == REFUSED


def test_marks_and_old_messages_are_refused_as_elsewhere():
    (close, _) = interpreter().say(realtimeInput={"activityStart": {}})
    assert close.reason.startswith("Explicit activity control")
    (close, _) = interpreter().say(realtimeInput={"mediaChunks": [silence(0.1)]})
    assert close.reason.startswith("realtime_input.media_chunks is deprecated")


@pytest.mark.parametrize(("target", "is_taken"), [("de", True), ("zh-Hans-CN", True), ("!", False), ("german", False)])
def test_the_target_is_a_language(target, is_taken):
    opened = interpreter(target).opened
    assert kinds_of(opened) == ["setupComplete"] if is_taken else opened == REFUSED


def test_a_stream_hears_of_its_handles_and_can_go_on_elsewhere():
    memory = SessionMemory(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    talk = interpreter(memory=memory, sessionResumption={})
    handle = handle_in(talk.opened)
    found = hear(talk, *[silence(0.5)] * 8)
    assert kinds_of(found).count("sessionResumptionUpdate") == 2
    assert handle_in(found) != handle
    other = interpreter(memory=memory, sessionResumption={"handle": handle_in(found)})
    assert kinds_of(other.opened)[0] == "setupComplete"


def test_what_comes_after_the_end_of_a_stream_is_of_the_next_one():
    talk = interpreter()
    found = talk.start_to_say(realtimeInput={"audio": silence(1.0)})
    for message in (STREAM_END, {"audio": silence(0.5)}, STREAM_END):
        found += talk.start_to_say(realtimeInput=message)
    found += talk.go_on()
    end = ["generationComplete", "turnComplete"]
    assert kinds_of(found) == ["modelTurn"] * 4 + end + ["modelTurn"] * 2 + end
    assert found[5]["usageMetadata"]["responseTokenCount"] == 25
    assert found[-1]["usageMetadata"]["responseTokenCount"] == 13
    assert found[-1]["usageMetadata"]["promptTokenCount"] == 25 + 25 + 13


def test_the_order_of_what_comes_does_not_hang_on_time():
    def told(is_hurried):
        memory = SessionMemory(lambda: datetime(2026, 1, 1, tzinfo=UTC))
        talk = interpreter(memory=memory, sessionResumption={}, inputAudioTranscription={})
        found = []
        for sound in (tone(1.3), silence(1.9), tone(0.8), silence(1.0)):
            found += talk.start_to_say(realtimeInput={"audio": sound})
            found += [] if is_hurried else talk.go_on()
        return found + talk.go_on()

    assert told(is_hurried=True) == told(is_hurried=False)
    assert "sessionResumptionUpdate" in kinds_of(told(is_hurried=True))


def test_timers_that_nobody_waits_for_change_nothing():
    talk = interpreter()
    hear(talk, silence(1.0))
    talk.waiting = Wait(1.0, 4711)
    assert talk.go_on() == []


def test_half_a_sample_is_silence():
    assert resampled(b"\x01", 16_000, 8) == bytes(8)
