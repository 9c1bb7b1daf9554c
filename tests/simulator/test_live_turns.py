"""Turn taking of free sessions: speech found by the service, marks of the client, coverage, interruption, silence."""

import json
from datetime import UTC, datetime

import pytest
from live_rig import (
    COMPLETE,
    GEMINI,
    HALF_CASCADE,
    INTERRUPTED,
    NATIVE,
    NEWER,
    NEWEST,
    QUICK,
    REFUSED,
    VERTEX,
    VERTEX_MODEL,
    Talk,
    end,
    kinds_of,
    pcm_in,
    shown,
    silence,
    text,
    tone,
    user,
    words_in,
    words_of,
)

from understudy.messages import TEXT
from understudy.scenario.json_subset import LazyJson
from understudy_simulator.audio import speech
from understudy_simulator.cues import Arrived, Elapsed, SendMessage
from understudy_simulator.live.machine.composing import SILENCE_MARKER
from understudy_simulator.live.machine.memory import SessionMemory
from understudy_simulator.live.settings import LiveSettings

PICTURE = {"data": "AAAA", "mimeType": "image/jpeg"}
MANUAL = {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}


def hear(talk, *sounds):
    """Send sounds one after another; all that comes of them before a pause."""
    return [message for sound in sounds for message in talk.start_to_say(realtimeInput={"audio": sound})]


def details(message):
    usage = message["usageMetadata"]
    return {entry["modality"]: entry["tokenCount"] for entry in usage["promptTokensDetails"]}


def ask_slowly(talk, words="Hello there"):
    """A question whose answer has just begun."""
    return talk.start_to_say(clientContent={"turns": [user(words)], "turnComplete": True})


# ---- speech that the service finds


def test_speech_is_answered_when_silence_has_lasted_long_enough():
    talk = Talk()
    talk.open(inputAudioTranscription={})
    assert hear(talk, silence(0.5), tone(1.0), silence(0.49)) == []
    found = hear(talk, silence(0.01)) + talk.go_on()
    assert words_in(found, "inputTranscription") == "(1.0 seconds of audio)"
    assert words_of(found).startswith('You said: "(1.0 seconds of audio)".')
    assert details(found[-1]) == {"AUDIO": 25}


def test_the_configured_silence_decides():
    talk = Talk()
    talk.open(realtimeInputConfig={"automaticActivityDetection": {"silenceDurationMs": 100}})
    assert hear(talk, tone(1.0), silence(0.09)) == []
    assert hear(talk, silence(0.02)) != []


def test_silence_alone_asks_nothing():
    talk = Talk()
    talk.open()
    assert hear(talk, silence(5.0)) == []
    assert talk.say(realtimeInput={"audioStreamEnd": True}) == []


def test_one_message_may_hold_several_utterances():
    talk = Talk()
    talk.open(realtimeInputConfig={"activityHandling": "NO_INTERRUPTION"})
    joined = {"data": tone(0.5)["data"], "mimeType": "audio/pcm"}
    hear(talk, joined, silence(0.6))
    first = talk.waiting
    assert hear(talk, tone(0.7), silence(0.6)) == []
    talk.waiting = first
    ends = [message for message in talk.go_on() if "usageMetadata" in message]
    assert len(ends) == 2


def test_signals_of_activity_where_the_setup_wants_them():
    talk = Talk(VERTEX)
    talk.open(VERTEX_MODEL, explicitVadSignal=True)
    found = hear(talk, silence(1.0), tone(1.0), silence(0.8))
    assert found[:4] == [
        {"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_SOS"}},
        {"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "1s"}},
        {"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_EOS"}},
        {"voiceActivity": {"type": "ACTIVITY_END", "audioOffset": "2s"}},
    ]
    assert "modelTurn" in found[4]["serverContent"]


def test_manual_activity_without_audio_asks_nothing():
    talk = Talk()
    talk.open(**MANUAL)
    assert talk.say(realtimeInput={"activityStart": {}}) == []
    assert talk.say(realtimeInput={"activityEnd": {}}) == []
    assert talk.say(realtimeInput={"activityEnd": {}}) == []


def test_loud_audio_between_marks_is_one_turn_however_it_pauses():
    talk = Talk()
    talk.open(**MANUAL)
    talk.say(realtimeInput={"activityStart": {}})
    assert hear(talk, tone(1.0), silence(3.0), tone(1.0)) == []
    assert words_of(talk.say(realtimeInput={"activityEnd": {}})).startswith('You said: "(5.0 seconds of audio)"')


# ---- coverage


def covered(coverage=None, model=HALF_CASCADE, modality="TEXT"):
    """Prompt tokens of a spoken turn: a picture and two seconds of silence before it, a picture in it."""
    config = {} if coverage is None else {"realtimeInputConfig": {"turnCoverage": coverage}}
    talk = Talk()
    talk.open(model, modality, **config)
    talk.say(realtimeInput={"video": PICTURE})
    hear(talk, silence(2.0), tone(1.0))
    talk.say(realtimeInput={"video": PICTURE})
    return details((hear(talk, silence(1.0)) + talk.go_on())[-1])


def test_a_turn_includes_only_its_activity():
    assert covered("TURN_INCLUDES_ONLY_ACTIVITY") == {"AUDIO": 25, "IMAGE": 258}
    assert covered() == {"AUDIO": 25, "IMAGE": 258}


def test_a_turn_includes_all_input():
    assert covered("TURN_INCLUDES_ALL_INPUT") == {"AUDIO": 100, "IMAGE": 516}


def test_all_input_is_included_once():
    talk = Talk()
    talk.open(realtimeInputConfig={"turnCoverage": "TURN_INCLUDES_ALL_INPUT"})
    before = 0
    for _ in range(3):
        last = (hear(talk, silence(1.0), tone(1.0), silence(1.0)) + talk.go_on())[-1]
        assert details(last)["AUDIO"] - before == 75
        before = details(last)["AUDIO"]


def test_a_turn_includes_its_audio_and_all_pictures():
    wanted = {"AUDIO": 25, "IMAGE": 516}
    assert covered("TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO") == wanted
    assert covered(model=NEWEST, modality="AUDIO") == wanted


def test_pictures_of_low_resolution_count_less():
    talk = Talk()
    config = {"responseModalities": ["TEXT"], "mediaResolution": "MEDIA_RESOLUTION_LOW"}
    talk.say(setup={"model": HALF_CASCADE, "generationConfig": config})
    talk.say(realtimeInput={"video": PICTURE})
    assert details(talk.ask("And?")[-1])["IMAGE"] == 66


# ---- interruption


def test_the_start_of_speech_interrupts():
    talk = Talk()
    talk.open()
    ask_slowly(talk)
    assert hear(talk, silence(1.0)) == []
    assert hear(talk, tone(0.1)) == [INTERRUPTED, end((3, 0), (4, 0))]
    assert talk.go_on() == []


def test_a_marked_start_interrupts():
    talk = Talk()
    talk.open(**MANUAL)
    ask_slowly(talk)
    assert talk.start_to_say(realtimeInput={"audio": tone(1.0)}) == []
    assert talk.start_to_say(realtimeInput={"activityStart": {}}) == [INTERRUPTED, end((3, 0), (4, 0))]


def test_text_interrupts_and_is_answered():
    talk = Talk()
    talk.open()
    ask_slowly(talk)
    found = talk.start_to_say(realtimeInput={"text": "Stop"})
    assert found[:2] == [INTERRUPTED, end((3, 0), (4, 0))]
    assert words_of(found[2:]) == 'You said: "Stop".'


def test_speech_does_not_interrupt_where_the_setup_forbids_it():
    talk = Talk()
    talk.open(realtimeInputConfig={"activityHandling": "NO_INTERRUPTION"})
    ask_slowly(talk)
    waiting = talk.waiting
    assert hear(talk, tone(1.0), silence(0.6)) == []
    talk.waiting = waiting
    found = talk.go_on()
    assert kinds_of(found).count("turnComplete") == 2
    assert INTERRUPTED not in found
    assert 'You said: "(1.0' in words_of(found)


def test_content_interrupts_even_where_speech_does_not():
    talk = Talk()
    talk.open(realtimeInputConfig={"activityHandling": "NO_INTERRUPTION"})
    ask_slowly(talk)
    assert ask_slowly(talk, "Stop")[:2] == [INTERRUPTED, end((3, 0), (4, 0))]


def test_only_audio_that_was_sent_counts():
    talk = Talk()
    talk.open(NATIVE, "AUDIO", outputAudioTranscription={})
    found = ask_slowly(talk)
    for _ in range(49):
        wait, talk.waiting = talk.waiting, None
        found += _shown(talk, wait)
    seconds = len(pcm_in(found)) / 48_000
    assert seconds == 2.0
    written = words_in(found, "outputTranscription")
    closing = hear(talk, tone(0.1))
    assert kinds_of(closing) == ["interrupted", "turnComplete"]
    response = closing[-1]["usageMetadata"]["responseTokensDetails"]
    assert response == [
        {"modality": "TEXT", "tokenCount": -(-len(written) // 4)},
        {"modality": "AUDIO", "tokenCount": 50},
    ]
    # What was written down is paid for, but the context has it once: as audio.
    hear(talk, silence(1.0))
    assert details(talk.go_on()[-1]) == {"TEXT": 3, "AUDIO": 50 + 3}


def _shown(talk, wait):
    return shown(talk.tell(Elapsed(wait.id)))


# ---- playback


def test_a_turn_of_audio_ends_when_it_would_have_been_played():
    talk = Talk(settings=LiveSettings())
    talk.open(NATIVE, "AUDIO")
    found = ask_slowly(talk, "Hi") + talk.go_on()
    seconds = len(pcm_in(found)) / 48_000
    assert sum(wait.seconds for wait in talk.waits) == _about(seconds)
    assert found[-2] == COMPLETE
    assert talk.waits[-1].seconds == _about(seconds * 3 / 4)


def _about(value):
    return pytest.approx(value, abs=0.001)


def test_speech_during_playback_interrupts():
    talk = Talk(settings=LiveSettings())
    talk.open(NATIVE, "AUDIO")
    found = ask_slowly(talk, "Hi")
    while COMPLETE not in found:
        found += _shown(talk, talk.waiting)
    whole = len(pcm_in(found)) / 48_000
    closing = hear(talk, tone(0.1))
    assert kinds_of(closing) == ["interrupted", "turnComplete"]
    assert closing[-1]["usageMetadata"]["responseTokenCount"] == -(-whole * 25 // 1)


def test_audio_may_be_sent_at_any_pace():
    for pace, pause in ((1.0, 0.04), (4.0, 0.01), (8.0, 0.005)):
        talk = Talk(settings=LiveSettings(audio_pace=pace, waits_for_playback=False))
        talk.open(NATIVE, "AUDIO")
        talk.ask("Hi")
        assert {round(wait.seconds, 6) for wait in talk.waits[:-1]} == {pause}
    talk = Talk(settings=LiveSettings(audio_pace=0, waits_for_playback=False))
    talk.open(NATIVE, "AUDIO")
    assert kinds_of(ask_slowly(talk, "Hi"))[-1] == "turnComplete"
    assert talk.waits == []


def test_chunks_of_any_size_are_whole_samples():
    talk = Talk(settings=LiveSettings(chunk_bytes=961, waits_for_playback=False))
    talk.open(NATIVE, "AUDIO")
    found = talk.ask("Hi")
    sizes = [len(pcm_in([message])) for message in found[:-2]]
    assert set(sizes[:-1]) == {960}
    assert all(size % 2 == 0 for size in sizes)


def test_voices_differ_and_are_the_same_each_time():
    def spoken(name):
        talk = Talk()
        voice = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}} if name else None
        config = {"responseModalities": ["AUDIO"]} | ({"speechConfig": voice} if voice else {})
        talk.say(setup={"model": NATIVE, "generationConfig": config})
        return pcm_in(talk.ask("Hi"))

    assert spoken("Puck") == spoken("Puck") != spoken("Kore")
    assert spoken(None) == speech('You said: "Hi". This answer comes from the simulator, not from a model.')


# ---- frames


def test_frames_are_text_where_the_settings_say_so():
    talk = Talk(settings=LiveSettings(frames="text"))
    actions = talk.machine.on(_arrived({"setup": {"model": NATIVE}}))
    first = actions[0]
    assert isinstance(first, SendMessage)
    assert first.opcode == TEXT


def _arrived(message):
    return Arrived(LazyJson(json.dumps(message).encode()))


def test_the_end_of_a_turn_bundled_with_the_end_of_generation():
    talk = Talk(settings=LiveSettings(bundles=True))
    talk.open()
    found = talk.ask("Hello there")
    assert found[-1]["serverContent"] == {"generationComplete": True, "turnComplete": True}
    assert kinds_of(found).count("generationComplete") == 1
    ask_slowly(talk)
    assert talk.start_to_say(clientContent={})[-1]["serverContent"] == {"turnComplete": True}


def test_a_silent_turn_has_no_generation_to_bundle():
    talk = Talk(settings=LiveSettings(bundles=True))
    talk.open(NEWEST, "AUDIO")
    (only,) = talk.ask(SILENCE_MARKER)
    assert only["serverContent"] == {"turnComplete": True}


def test_usage_in_a_frame_of_its_own():
    talk = Talk(settings=LiveSettings(usage_apart=True))
    talk.open()
    found = talk.ask("Hello there")
    assert [list(message) for message in found[-2:]] == [["usageMetadata"], ["serverContent"]]


def test_a_single_modality_without_its_count():
    talk = Talk(settings=LiveSettings(omits_single_count=True))
    talk.open()
    usage = talk.ask("Hello there")[-1]["usageMetadata"]
    assert usage["promptTokensDetails"] == [{"modality": "TEXT"}]
    assert usage["promptTokenCount"] == 3


# ---- silence, thoughts, tools of the service


def test_a_proactive_model_keeps_silent_where_nothing_is_meant_for_it():
    for model, extra in ((NATIVE, {"proactivity": {"proactiveAudio": True}}), (NEWEST, {})):
        talk = Talk()
        talk.open(model, "AUDIO", **extra)
        (only,) = talk.ask(f"Hm {SILENCE_MARKER}")
        assert only["serverContent"] == {"turnComplete": True}
        assert "responseTokenCount" not in only["usageMetadata"]
        (only,) = hear(talk, tone(0.2), silence(0.9))
        assert only["serverContent"] == {"turnComplete": True}
        assert kinds_of(hear(talk, tone(0.4), silence(0.9)))[0] == "modelTurn"


def test_other_models_answer_everything():
    talk = Talk()
    talk.open(NATIVE, "AUDIO")
    assert kinds_of(talk.ask(SILENCE_MARKER))[0] == "modelTurn"
    assert kinds_of(hear(talk, tone(0.2), silence(0.9)))[0] == "modelTurn"


def thinking(place, model, **config):
    talk = Talk(place)
    talk.say(setup={"model": model, "generationConfig": {"responseModalities": ["AUDIO"], "thinkingConfig": config}})
    return talk.ask("Hi")


def test_thoughts_are_counted_and_told_where_they_are_wanted():
    found = thinking(GEMINI, NATIVE, includeThoughts=True)
    assert found[0]["serverContent"]["modelTurn"]["parts"][0]["thought"] is True
    usage = found[-1]["usageMetadata"]
    # Outside the total on the Gemini API, inside on Vertex AI (pricing 8).
    assert usage["thoughtsTokenCount"] == 64
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["responseTokenCount"]
    hidden = thinking(GEMINI, NATIVE, thinkingBudget=16)
    assert "inlineData" in hidden[0]["serverContent"]["modelTurn"]["parts"][0]
    assert hidden[-1]["usageMetadata"]["thoughtsTokenCount"] == 16
    model = "projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash-native-audio"
    usage = thinking(VERTEX, model, thinkingBudget=16)[-1]["usageMetadata"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"] + 16


def test_a_model_that_thinks_on_tells_its_status():
    talk = Talk()
    talk.open("models/gemini-3.8-live-extended-thinking", "AUDIO")
    (last,) = [message for message in talk.ask("Hi") if "usageMetadata" in message]
    assert last["serverContent"] == {"turnComplete": True, "interactionStatus": "IDLE"}
    ends = [message for message in talk.ask("Please think hard") if "usageMetadata" in message]
    assert [one["serverContent"]["interactionStatus"] for one in ends] == ["IN_PROGRESS", "IDLE"]


def test_no_other_model_tells_a_status():
    talk = Talk()
    talk.open(NEWEST, "AUDIO")
    assert "interactionStatus" not in talk.ask("Please think hard")[-1]["serverContent"]


def test_an_interrupted_thinker_gives_its_thought_up():
    talk = Talk()
    talk.open("models/gemini-3.8-live-extended-thinking", "AUDIO")
    ask_slowly(talk, "Please think hard")
    interrupted, ended = talk.say(clientContent={})
    assert interrupted == INTERRUPTED
    assert ended["serverContent"] == {"turnComplete": True, "interactionStatus": "IDLE"}
    assert kinds_of(talk.ask("Hi")).count("turnComplete") == 1


@pytest.mark.parametrize(
    ("block", "reason"), [("PROHIBITED_CONTENT", "PROHIBITED_INPUT_CONTENT"), ("SAFETY", "INPUT_OTHER")]
)
def test_a_blocked_turn_says_why_it_ended(block, reason):
    talk = Talk()
    talk.open()
    (only,) = talk.ask(f"[[understudy:block={block}]]")
    assert only["serverContent"] == {"turnComplete": True, "turnCompleteReason": reason}
    assert "responseTokenCount" not in only["usageMetadata"]


def test_a_search_grounds_the_answer():
    talk = Talk()
    talk.open(tools=[{"googleSearch": {}}])
    last = talk.ask("Who won?")[-1]
    assert last["serverContent"]["groundingMetadata"]["webSearchQueries"] == ["Who won?"]
    usage = last["usageMetadata"]
    assert usage["toolUsePromptTokenCount"] == 128
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["responseTokenCount"] + 128


def test_the_answer_keeps_to_the_limit_of_tokens():
    talk = Talk()
    talk.say(setup={"model": HALF_CASCADE, "generationConfig": {"responseModalities": ["TEXT"], "maxOutputTokens": 5}})
    assert talk.ask("Hello there")[-1]["usageMetadata"]["responseTokenCount"] == 5


def test_a_transcriber_writes_down_what_it_hears_and_bills_nothing():
    talk = Talk()
    talk.open("models/gemini-3.5-transcribe-live", "TEXT")
    found = hear(talk, tone(1.0), silence(0.9)) + talk.go_on()
    assert words_of(found) == "(1.0 seconds of audio)"
    assert found[-1] == {"serverContent": {"turnComplete": True}}


def test_a_system_turn_replaces_the_instruction_on_vertex():
    talk = Talk(VERTEX)
    talk.open(VERTEX_MODEL, systemInstruction={"parts": [{"text": "abcdefgh"}]})
    system = {"role": "system", "parts": [{"text": "abcd"}]}
    talk.say(clientContent={"turns": [system]})
    assert details(talk.ask("Hell")[-1]) == {"TEXT": 2}


# ---- the context window


def test_compression_makes_the_prompt_smaller_again():
    talk = Talk()
    config = {"triggerTokens": "60", "slidingWindow": {"targetTokens": 30}}
    talk.open(contextWindowCompression=config)
    counts = [talk.ask("Hello there")[-1]["usageMetadata"]["promptTokenCount"] for _ in range(4)]
    assert counts[:3] == [3, 26, 49]
    assert counts[3] <= 30


def test_a_context_that_is_full_ends_the_session():
    talk = Talk()
    talk.open()
    for _ in range(2):
        talk.say(clientContent={"turns": [user("x" * 200_000)]})
    assert talk.ask("x" * 200_000) == REFUSED
    talk = Talk()
    talk.open(contextWindowCompression={"slidingWindow": {}})
    for _ in range(3):
        talk.say(clientContent={"turns": [user("x" * 200_000)]})
    assert kinds_of(talk.ask("And now?"))[-1] == "turnComplete"


LARGE = user("x" * 200_000)


@pytest.mark.parametrize(
    ("model", "content"),
    [
        (HALF_CASCADE, {"turns": [LARGE]}),
        (HALF_CASCADE, {"turns": [LARGE | {"role": "model"}], "turnComplete": True}),
        (NEWER, {"turns": [user("x" * 600_000)], "turnComplete": True}),
    ],
)
def test_what_is_not_answered_fills_the_context_too(model, content):
    talk = Talk()
    talk.open(model, "AUDIO", historyConfig={"initialHistoryInClientContent": True})
    if model == NEWER:
        assert talk.say(clientContent=content) == REFUSED
    else:
        found = [talk.say(clientContent=content) for _ in range(3)]
        assert found == [[], [], REFUSED]


def test_of_what_waits_for_an_answer_only_what_is_needed_is_kept():
    memory = SessionMemory(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    talk = Talk(memory=memory)
    config = {"triggerTokens": 1000, "slidingWindow": {"targetTokens": 600}}
    talk.open(sessionResumption={}, contextWindowCompression=config)
    picture = {"inline_data": {"mime_type": "image/jpeg", "data": "AAAA" * 10_000}}
    parts = [{"text": "Look", "thoughtSignature": "AAAA"}, picture, {"fileData": {"fileUri": "u" * 999}}]

    def kept():
        [update] = [found for _ in range(20) for found in talk.start_to_say(realtimeInput={"audio": silence(0.1)})]
        found = memory.find("", update["sessionResumptionUpdate"]["newHandle"])
        assert not isinstance(found, str)
        return found.turns

    talk.say(clientContent={"turns": [user(""), {"role": "user", "parts": parts}, {"role": "user"}]})
    seen = [{"text": "Look"}, {"inlineData": {"mimeType": "image/jpeg"}}, {"fileData": {"mimeType": ""}}]
    assert kept() == ({"role": "user", "parts": seen},)
    talk.say(clientContent={"turns": [user("x" * 400)] * 50})
    assert kept() == (user("x" * 400),) * 6
    assert talk.ask("Hello")[0] == text('You said: "Hello".')


def test_text_that_came_in_pieces_is_one_question():
    talk = Talk(settings=QUICK)
    talk.open()
    talk.say(clientContent={"turns": [user("One")]})
    assert talk.ask("Two")[0] == text('You said: "Two".')


def test_transcriptions_say_when_they_are_whole():
    settings = LiveSettings(waits_for_playback=False, finishes_transcriptions=True)
    talk = Talk(settings=settings)
    talk.open(NATIVE, "AUDIO", inputAudioTranscription={}, outputAudioTranscription={})
    heard = talk.say(realtimeInput={"audio": tone(0.6)}) + talk.say(realtimeInput={"audio": silence(1.0)})
    assert heard[1] == {"serverContent": {"inputTranscription": {"finished": True}}}
    assert heard[-3:-1] == [{"serverContent": {"outputTranscription": {"finished": True}}}, COMPLETE]
    assert sum("finished" in str(message) for message in heard) == 2
