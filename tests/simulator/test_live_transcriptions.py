"""Transcriptions of free sessions: languages, speakers, times of words, drafts, late ones."""

import pytest
from live_rig import COMPLETE, GEMINI, NATIVE, REFUSED, VERTEX, Talk, kinds_of, silence, tone, words_in

from understudy_simulator.live.settings import LiveSettings

TRANSCRIBER = "models/gemini-3.5-transcribe-live"
VERTEX_NATIVE = "projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash-native-audio"


def heard(talk, *sounds):
    """What comes of sounds, up to the first pause of the answer."""
    return [message for sound in sounds for message in talk.start_to_say(realtimeInput={"audio": sound})]


def only(messages, name):
    return [m["serverContent"][name] for m in messages if name in m.get("serverContent", {})]


def spoken_to(model=NATIVE, modality="AUDIO", settings=None, place=GEMINI, **setup):
    """All that comes of a second of speech."""
    talk = Talk(place, settings=settings or LiveSettings(waits_for_playback=False))
    talk.open(model, modality, **setup)
    return heard(talk, silence(0.5), tone(1.0), silence(0.9)) + talk.go_on()


def test_a_plain_transcription_has_text_alone():
    found = spoken_to(inputAudioTranscription={}, outputAudioTranscription={})
    assert only(found, "inputTranscription") == [{"text": "(1.0 seconds of audio)"}]
    assert all(list(one) == ["text"] for one in only(found, "outputTranscription"))


def test_a_transcription_tells_the_language_that_was_named():
    named = {"languageCodes": ["de-DE", "fr-FR"]}
    found = spoken_to(inputAudioTranscription=named, outputAudioTranscription=named)
    assert only(found, "inputTranscription")[0]["languageCode"] == "de-DE"
    assert {one["languageCode"] for one in only(found, "outputTranscription")} == {"de-DE"}
    found = spoken_to(inputAudioTranscription={"languageHints": {"languageCodes": ["it-IT"]}})
    assert only(found, "inputTranscription")[0]["languageCode"] == "it-IT"


def test_words_have_their_times():
    found = spoken_to(inputAudioTranscription={"wordTimestamp": True})
    (written,) = only(found, "inputTranscription")
    assert (written["startOffset"], written["endOffset"]) == ("0.5s", "1.5s")
    words = written["words"]
    assert [word["word"] for word in words] == ["(1.0", "seconds", "of", "audio)"]
    assert words[0]["startOffset"] == "0.5s"
    assert words[-1]["endOffset"] == "1.5s"
    times = [float(word[name][:-1]) for word in words for name in ("startOffset", "endOffset")]
    assert times == sorted(times)


def test_words_of_the_model_have_the_times_of_their_audio():
    found = spoken_to(outputAudioTranscription={"wordTimestamp": True})
    first, second, *_ = only(found, "outputTranscription")
    assert first == {
        "text": "You",
        "words": [{"word": "You", "startOffset": "0s", "endOffset": "0.2s"}],
        "startOffset": "0s",
        "endOffset": "0.2s",
    }
    assert second["text"] == " said:"
    assert second["words"] == [{"word": "said:", "startOffset": "0.267s", "endOffset": "0.6s"}]


def test_a_speaker_is_named_if_that_is_wanted():
    found = spoken_to(inputAudioTranscription={"diarization": True})
    assert only(found, "inputTranscription") == [{"text": "(1.0 seconds of audio)", "speakerLabel": "spk_1"}]


def test_transcriptions_of_vertex_have_neither_times_nor_speakers():
    asked = {"wordTimestamp": True, "diarization": True, "languageCodes": ["de-DE"]}
    found = spoken_to(VERTEX_NATIVE, place=VERTEX, inputAudioTranscription=asked, outputAudioTranscription=asked)
    assert list(only(found, "inputTranscription")[0]) == ["text", "languageCode"]
    assert {tuple(one) for one in only(found, "outputTranscription")} == {("text", "languageCode")}


@pytest.mark.parametrize("name", ["inputAudioTranscription", "outputAudioTranscription"])
@pytest.mark.parametrize("beside", ["wordTimestamp", "diarization"])
def test_smart_transcriptions_have_neither_times_nor_speakers(name, beside):
    assert Talk().open(NATIVE, "AUDIO", **{name: {"mode": "SMART", beside: True}}) == REFUSED
    assert kinds_of(Talk().open(NATIVE, "AUDIO", **{name: {"mode": "SMART"}})) == ["setupComplete"]
    assert kinds_of(Talk().open(NATIVE, "AUDIO", **{name: {"mode": "VERBATIM", beside: True}})) == ["setupComplete"]


# ---- drafts


def stream(talk, sound, times):
    return [message for _ in range(times) for message in heard(talk, sound)]


def test_a_transcriber_drafts_while_somebody_speaks():
    talk = Talk()
    talk.open(TRANSCRIBER, "TEXT", inputAudioTranscription={})
    found = stream(talk, tone(0.1), 25)
    assert only(found, "interimInputTranscription") == [
        {"text": "(1.0 seconds of audio)", "languageCode": "en-US"},
        {"text": "(2.0 seconds of audio)", "languageCode": "en-US"},
    ]
    assert kinds_of(found) == ["interimInputTranscription"] * 2
    found = stream(talk, silence(0.1), 6) + talk.go_on()
    assert only(found, "inputTranscription") == [{"text": "(2.5 seconds of audio)", "languageCode": "en-US"}]
    assert stream(talk, silence(0.1), 30) == []


def test_drafts_have_times_if_that_is_wanted():
    talk = Talk()
    realtime = {"interimTranscriptTimestampEnabled": True}
    talk.open(TRANSCRIBER, "TEXT", inputAudioTranscription={}, realtimeInputConfig=realtime)
    stream(talk, silence(0.1), 5)
    (draft,) = only(stream(talk, tone(0.1), 12), "interimInputTranscription")
    assert (draft["startOffset"], draft["endOffset"]) == ("0.5s", "1.5s")


def test_other_models_draft_where_that_is_set_and_transcription_is_wanted():
    def drafts(settings, **setup):
        talk = Talk(settings=settings)
        talk.open(NATIVE, "AUDIO", **setup)
        return len(only(stream(talk, tone(0.1), 12), "interimInputTranscription"))

    assert drafts(LiveSettings(drafts=True), inputAudioTranscription={}) == 1
    assert drafts(LiveSettings(drafts=True)) == 0
    assert drafts(LiveSettings(), inputAudioTranscription={}) == 0


# ---- late ones


def test_a_late_transcription_comes_behind_the_beginning_of_the_answer():
    settings = LiveSettings(waits_for_playback=False, late_transcriptions=True)
    found = spoken_to(settings=settings, inputAudioTranscription={}, outputAudioTranscription={})
    kinds = kinds_of(found)
    assert kinds[:3] == ["modelTurn", "inputTranscription", "modelTurn"]
    written = len(only(found, "outputTranscription"))
    assert kinds[-2 - written : -2] == ["outputTranscription"] * written
    assert kinds.count("outputTranscription") == written
    assert found[-2] == COMPLETE
    usual = spoken_to(outputAudioTranscription={})
    assert words_in(found, "outputTranscription") == words_in(usual, "outputTranscription")


def test_a_late_transcription_may_say_that_it_is_whole():
    settings = LiveSettings(waits_for_playback=False, late_transcriptions=True, finishes_transcriptions=True)
    found = spoken_to(settings=settings, inputAudioTranscription={}, outputAudioTranscription={})
    assert only(found, "inputTranscription") == [{"text": "(1.0 seconds of audio)"}, {"finished": True}]
    assert only(found, "outputTranscription")[-1] == {"finished": True}


def test_late_transcriptions_are_billed_as_others_are():
    def usage(settings):
        return spoken_to(settings=settings, inputAudioTranscription={}, outputAudioTranscription={})[-1]

    late = LiveSettings(waits_for_playback=False, late_transcriptions=True)
    assert usage(late) == usage(LiveSettings(waits_for_playback=False))
