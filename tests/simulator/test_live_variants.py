"""What services do differently among themselves or at times, as settings of free sessions; voices of one's own."""

from itertools import pairwise

import pytest
from live_rig import (
    BYE,
    COMPLETE,
    GEMINI,
    HALF_CASCADE,
    INTERRUPTED,
    LAMP,
    NATIVE,
    NEWER,
    REFUSED,
    VERTEX,
    VERTEX_MODEL,
    Talk,
    call_of,
    kinds_of,
    pcm_in,
    shown,
    silence,
    tone,
    user,
    words_in,
    words_of,
)

from understudy_simulator.cues import CloseWith, Elapsed, Finished
from understudy_simulator.live.settings import LiveSettings

DOOR = {"functionDeclarations": [{"name": "open_door", "behavior": "NON_BLOCKING"}]}
WRITTEN = {"inputAudioTranscription": {}, "outputAudioTranscription": {}}


def with_settings(place=GEMINI, **settings):
    return Talk(place, settings=LiveSettings(waits_for_playback=False, **settings))


def answered(talk, call):
    return talk.say(toolResponse={"functionResponses": [{"id": call["id"], "name": call["name"], "response": {}}]})


def usages(messages):
    return [message["usageMetadata"] for message in messages if "usageMetadata" in message]


# ---- the last that is said on the frame of the end


def test_the_last_text_may_come_with_the_end_of_its_turn():
    usual, bundling = Talk(), with_settings(bundles_speech=True)
    usual.open()
    bundling.open()
    plain, found = usual.ask("Hello"), bundling.ask("Hello")
    assert list(found[-1]["serverContent"]) == ["modelTurn", "generationComplete", "turnComplete"]
    assert found[-1]["usageMetadata"] == plain[-1]["usageMetadata"]
    assert words_of(found) == words_of(plain)
    assert len(found) == len(plain) - 2
    assert COMPLETE not in found


def test_the_last_audio_or_its_writing_may_come_with_the_end_of_its_turn():
    for setup in ({}, WRITTEN):
        usual, bundling = Talk(), with_settings(bundles_speech=True)
        usual.open(NATIVE, "AUDIO", **setup)
        bundling.open(NATIVE, "AUDIO", **setup)
        plain, found = usual.ask("Hello"), bundling.ask("Hello")
        last = "outputTranscription" if setup else "modelTurn"
        assert list(found[-1]["serverContent"]) == [last, "generationComplete", "turnComplete"]
        assert pcm_in(found) == pcm_in(plain)
        assert words_in(found, "outputTranscription") == words_in(plain, "outputTranscription")
        assert usages(found) == usages(plain)


def test_what_was_held_back_for_the_end_is_not_said_after_an_interruption():
    talk = with_settings(bundles_speech=True)
    talk.open()
    first = talk.start_to_say(clientContent={"turns": [user("Hello")], "turnComplete": True})
    found = talk.start_to_say(clientContent={"turns": [user("Stop")], "turnComplete": True})
    assert kinds_of(first) == ["modelTurn"]
    assert found[0] == INTERRUPTED
    assert list(found[1]["serverContent"]) == ["turnComplete"]


def test_calls_are_not_put_on_the_frame_of_the_end():
    talk = with_settings(bundles_speech=True)
    talk.open(NATIVE, "AUDIO", tools=[DOOR])
    found = talk.ask("open door")
    assert kinds_of(found)[-3:] == ["toolCall", "generationComplete", "turnComplete"]
    assert len(found[-1]["serverContent"]) == 2


def test_a_call_that_was_not_sent_yet_is_not_cancelled():
    for steps in range(12):
        talk = with_settings(bundles_speech=True)
        talk.open(tools=[DOOR])
        found = talk.start_to_say(clientContent={"turns": [user("open door")], "turnComplete": True})
        for _ in range(steps):
            if talk.waiting is not None:
                wait, talk.waiting = talk.waiting, None
                found += shown(talk.tell(Elapsed(wait.id, 0.0)))
        sent = [call["id"] for message in found for call in message.get("toolCall", {}).get("functionCalls", ())]
        after = talk.say(clientContent={"turns": [user("Stop")], "turnComplete": True})
        cancelled = [call_id for message in after for call_id in message.get("toolCallCancellation", {}).get("ids", ())]
        assert set(cancelled) <= set(sent)


# ---- calls


def test_usage_may_stand_beside_the_call_and_then_not_at_the_end_of_its_turn():
    usual, telling = Talk(), with_settings(usage_on_calls=True)
    usual.open(tools=[LAMP])
    telling.open(tools=[LAMP])
    plain, found = usual.ask("switch lamp"), telling.ask("switch lamp")
    assert kinds_of(found) == ["toolCall", "generationComplete", "turnComplete"]
    assert [list(message) for message in found] == [["toolCall", "usageMetadata"], ["serverContent"], ["serverContent"]]
    assert usages(found) == usages(plain)
    assert usages(answered(telling, call_of(found[0]))) == usages(answered(usual, call_of(plain[0])))


def test_a_turn_that_waits_for_its_answer_tells_the_rest_at_its_end():
    talk = with_settings(usage_on_calls=True)
    talk.open(NEWER, "AUDIO", tools=[LAMP])
    (call,) = talk.ask("switch lamp")
    assert call["usageMetadata"]["responseTokensDetails"][0]["modality"] == "TEXT"
    (rest,) = usages(answered(talk, call_of(call)))
    assert [entry["modality"] for entry in rest["responseTokensDetails"]] == ["AUDIO"]
    assert rest["promptTokenCount"] > call["usageMetadata"]["totalTokenCount"]


def test_usage_beside_a_call_has_what_was_said_before_it():
    usual, telling = Talk(), with_settings(usage_on_calls=True)
    usual.open(NATIVE, "AUDIO", tools=[DOOR])
    telling.open(NATIVE, "AUDIO", tools=[DOOR])
    found = telling.ask("open door")
    assert usages(found) == usages(usual.ask("open door"))
    assert "usageMetadata" in found[-3]
    assert usages(telling.ask("Hello")) == usages(usual.ask("Hello"))


def test_something_may_follow_a_call_before_its_turn_ends():
    usual, trailing = Talk(), with_settings(trails_calls=True, finishes_transcriptions=True)
    usual.open(NATIVE, "AUDIO", tools=[LAMP], **WRITTEN)
    trailing.open(NATIVE, "AUDIO", tools=[LAMP], **WRITTEN)
    found = trailing.ask("switch lamp")
    kinds = ["toolCall", "modelTurn", "outputTranscription", "generationComplete", "turnComplete"]
    assert kinds_of(found) == kinds
    assert found[2] == {"serverContent": {"outputTranscription": {"finished": True}}}
    assert len(pcm_in(found)) == 1920
    assert usages(found) == usages(usual.ask("switch lamp"))


def test_nothing_follows_a_call_of_a_model_that_waits_or_writes():
    talk = with_settings(trails_calls=True)
    talk.open(NEWER, "AUDIO", tools=[LAMP])
    assert kinds_of(talk.ask("switch lamp")) == ["toolCall"]
    talk = with_settings(trails_calls=True)
    talk.open(tools=[LAMP])
    assert kinds_of(talk.ask("switch lamp")) == ["toolCall", "generationComplete", "turnComplete"]


# ---- usage


def test_what_earlier_turns_held_may_be_cached():
    talk = with_settings(caches_context=True)
    talk.open()
    first, second, third = (talk.ask("Hello there")[-1]["usageMetadata"] for _ in range(3))
    assert "cachedContentTokenCount" not in first
    assert second["cachedContentTokenCount"] == first["promptTokenCount"]
    assert third["cachedContentTokenCount"] == second["promptTokenCount"]
    assert third["cacheTokensDetails"] == [{"modality": "TEXT", "tokenCount": second["promptTokenCount"]}]
    plain = Talk()
    plain.open()
    assert [plain.ask("Hello there")[-1]["usageMetadata"] for _ in range(2)][1] == {
        name: value for name, value in second.items() if "ache" not in name
    }


def test_no_more_is_cached_than_the_prompt_has():
    talk = with_settings(caches_context=True)
    talk.open(contextWindowCompression={"triggerTokens": "60", "slidingWindow": {"targetTokens": 30}})
    counts = [talk.ask("Hello there")[-1]["usageMetadata"] for _ in range(4)]
    assert counts[3]["promptTokenCount"] < counts[2]["promptTokenCount"]
    assert all(usage.get("cachedContentTokenCount", 0) <= usage["promptTokenCount"] for usage in counts)


@pytest.mark.parametrize(
    ("traffic", "tier", "kind"),
    [
        ("usual", None, "ON_DEMAND"),
        ("on-demand", "standard", "ON_DEMAND"),
        ("flex", "flex", "ON_DEMAND_FLEX"),
        ("priority", "priority", "ON_DEMAND_PRIORITY"),
        ("provisioned", None, "PROVISIONED_THROUGHPUT"),
    ],
)
def test_usage_tells_how_a_turn_was_served(traffic, tier, kind):
    talk = with_settings(traffic=traffic)
    talk.open()
    usage = talk.ask("Hello")[-1]["usageMetadata"]
    assert usage.get("serviceTier") == tier
    assert "trafficType" not in usage
    talk = with_settings(VERTEX, traffic=traffic)
    talk.open(VERTEX_MODEL)
    usage = talk.ask("Hello")[-1]["usageMetadata"]
    assert usage["trafficType"] == kind
    assert "serviceTier" not in usage


# ---- context windows


def test_the_context_window_is_a_setting():
    talk = with_settings(context_window=32_768)
    talk.open()
    assert talk.ask("x" * 4 * 32_700)[-1]["usageMetadata"]["promptTokenCount"] == 32_700
    assert talk.ask("x" * 400) == [CloseWith(1007, "Request contains an invalid argument."), Finished()]


def test_compression_begins_at_its_share_of_that_window():
    talk = with_settings(context_window=1000)
    talk.open(contextWindowCompression={"slidingWindow": {}})
    counts = [talk.ask("x" * 400)[-1]["usageMetadata"]["promptTokenCount"] for _ in range(8)]
    assert max(counts) < 800
    assert any(later < earlier <= 800 and later <= 400 for earlier, later in pairwise(counts))


# ---- waiting for more


def test_a_model_may_wait_for_more():
    talk = Talk()
    talk.open()
    found = talk.ask("Hello [[understudy:wait]]")
    assert found[0] == {"serverContent": {"waitingForInput": True}}
    assert found[1]["serverContent"] == {"turnComplete": True, "turnCompleteReason": "NEED_MORE_INPUT"}
    assert found[1]["usageMetadata"]["promptTokenCount"] > 0
    assert len(found) == 2
    assert words_of(talk.ask("Go on")).endswith(BYE)


# ---- voices of one's own

SAMPLE = {"mimeType": "audio/wav", "voiceSampleAudio": "AAAA"}


def voice(**members):
    config = {"responseModalities": ["AUDIO"], "speechConfig": {"voiceConfig": {"replicatedVoiceConfig": members}}}
    return Talk().say(setup={"model": NATIVE, "generationConfig": config})


def test_a_consent_is_signed_and_the_signature_is_good_for_that_voice():
    (complete,) = voice(**SAMPLE, consentAudio="AAAA")
    signature = complete["setupComplete"]["voiceConsentSignature"]
    assert voice(**SAMPLE, voiceConsentSignature=signature) == [{"setupComplete": {}}]
    other = SAMPLE | {"voiceSampleAudio": "BBBB"}
    assert voice(**other, voiceConsentSignature=signature) == REFUSED
    assert voice(**SAMPLE, voiceConsentSignature={"signature": "mine"}) == REFUSED


def test_a_voice_is_a_wav():
    assert voice(**SAMPLE) == [{"setupComplete": {}}]
    assert voice(voiceSampleAudio="AAAA") == [{"setupComplete": {}}]
    assert voice(**SAMPLE | {"mimeType": "audio/mp3"}) == REFUSED


# ---- audio of other rates


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_the_rate_of_the_client_is_its_own_affair(rate_hz):
    talk = Talk()
    talk.open(HALF_CASCADE, "AUDIO", inputAudioTranscription={})
    heard = [
        m for sound in (tone(1.0, rate_hz), silence(1.0, rate_hz)) for m in talk.say(realtimeInput={"audio": sound})
    ]
    assert words_in(heard, "inputTranscription") == "(1.0 seconds of audio)"
    (usage,) = usages(heard)
    assert {"modality": "AUDIO", "tokenCount": 25} in usage["promptTokensDetails"]
