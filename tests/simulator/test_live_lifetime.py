"""How long sessions last and how they go on elsewhere: goAway, the abort, limits, handles that restore a session."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from live_rig import (
    GEMINI,
    HALF_CASCADE,
    IDENTITY,
    LAMP,
    NATIVE,
    QUICK,
    REFUSED,
    VERTEX,
    VERTEX_MODEL,
    Talk,
    call_of,
    end,
    kinds_of,
    silence,
    words_of,
)

from understudy_simulator.cues import CloseWith, Finished, Gone
from understudy_simulator.ids import Identity
from understudy_simulator.live.machine.memory import SessionMemory
from understudy_simulator.live.settings import LiveSettings

ABORTED = [
    CloseWith(
        1008,
        "Connection aborted because the client failed to close the connection after receiving a GoAway signal once the "
        "session durat",
    ),
    Finished(),
]
COMPRESSED = {"contextWindowCompression": {"slidingWindow": {}}}
PICTURE = {"video": {"data": "AAAA", "mimeType": "image/jpeg"}}


class Time:
    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def memory(time):
    return SessionMemory(time)


def again(memory, handle, number: Any = 2, place: Any = GEMINI, model: Any = HALF_CASCADE, **setup):
    """Another connection that goes on from a handle: the session, and the answer to its setup."""
    talk = Talk(place, Identity(0, "", number), QUICK, memory)
    return talk, talk.open(model, sessionResumption={"handle": handle} | setup.pop("resumption", {}), **setup)


def handle_in(messages):
    """The newest handle."""
    updates = [m["sessionResumptionUpdate"] for m in messages if "sessionResumptionUpdate" in m]
    assert updates[-1]["resumable"] is True
    return updates[-1]["newHandle"]


# ---- limits


def test_a_connection_is_told_to_go_and_then_aborted():
    talk = Talk()
    talk.open(**COMPRESSED)
    assert talk.alarm.seconds == 540
    assert talk.ring() == [{"goAway": {"timeLeft": "50s"}}]
    assert talk.alarm.seconds == 50
    assert talk.ring() == ABORTED


def test_a_client_that_goes_in_time_is_not_aborted():
    talk = Talk()
    talk.open()
    talk.ring()
    assert talk.ask("One more")[-1] == end((2, 0), (20, 0))
    assert talk.tell(Gone(1000)) == [Finished()]
    assert talk.ring() == []


def test_limits_are_settings():
    talk = Talk(settings=LiveSettings(connection_s=3, warning_s=1.5))
    talk.open()
    assert talk.alarm.seconds == 1.5
    assert talk.ring() == [{"goAway": {"timeLeft": "1.5s"}}]
    talk = Talk(settings=LiveSettings(connection_s=1, warning_s=60))
    talk.open()
    assert talk.alarm.seconds == 0
    assert talk.ring() == [{"goAway": {"timeLeft": "1s"}}]


def test_a_session_with_pictures_and_without_compression_is_shorter():
    talk = Talk()
    talk.open()
    talk.now = 30.0
    talk.say(realtimeInput=PICTURE)
    assert talk.alarm.seconds == 120 - 50 - 30
    alarm = talk.alarm
    talk.say(realtimeInput=PICTURE)
    assert talk.alarm is alarm
    talk = Talk()
    talk.open(**COMPRESSED)
    talk.say(realtimeInput=PICTURE)
    assert talk.alarm.seconds == 540


def test_a_warning_is_not_given_twice():
    talk = Talk()
    talk.open()
    assert kinds_of(talk.ring()) == ["goAway"]
    assert talk.say(realtimeInput=PICTURE) == []
    assert talk.ring() == ABORTED


# ---- handles


def test_a_handle_comes_after_setup_and_after_every_turn(memory):
    talk = Talk(memory=memory)
    found = talk.open(sessionResumption={})
    assert kinds_of(found) == ["setupComplete", "sessionResumptionUpdate"]
    first = handle_in(found)
    found = talk.ask("Hello")
    assert kinds_of(found)[-2:] == ["turnComplete", "sessionResumptionUpdate"]
    assert handle_in(found) != first
    assert len(first) == 96


def test_no_handle_where_none_is_wanted(memory):
    talk = Talk(memory=memory)
    assert kinds_of(talk.open() + talk.ask("Hello")).count("sessionResumptionUpdate") == 0


def test_a_handle_restores_the_conversation(memory):
    talk = Talk(memory=memory)
    talk.open(sessionResumption={})
    handle = handle_in(talk.ask("Hello there"))
    other, found = again(memory, handle)
    assert found[0] == {"setupComplete": {}}
    assert other.ask("Hello again")[-2] == end((3 + 20 + 3, 0), (20, 0))


def test_a_handle_restores_what_was_not_answered_yet(memory):
    talk = Talk(memory=memory)
    talk.open(sessionResumption={}, realtimeInputConfig={"activityHandling": "NO_INTERRUPTION"})
    talk.start_to_say(realtimeInput={"text": "Hello there"})
    waiting = talk.waiting
    talk.start_to_say(realtimeInput={"text": "And?"})
    talk.waiting = waiting
    updates = [message for message in talk.go_on() if "sessionResumptionUpdate" in message]
    other, _ = again(memory, handle_in(updates[:1]))
    assert words_of(other.say(clientContent={"turnComplete": True})).startswith('You said: "And?".')


def test_an_older_handle_restores_the_older_state(memory):
    talk = Talk(memory=memory)
    talk.open(sessionResumption={})
    older = handle_in(talk.ask("Hello there"))
    talk.ask("Hello there")
    other, _ = again(memory, older)
    assert other.ask("Hi")[-2]["usageMetadata"]["promptTokenCount"] == 3 + 20 + 1


def test_a_handle_goes_on_after_go_away(memory):
    talk = Talk(memory=memory)
    talk.open(sessionResumption={})
    handle = handle_in(talk.ask("Hello there"))
    talk.ring()
    assert talk.ring() == ABORTED
    other, found = again(memory, handle)
    assert kinds_of(found)[0] == "setupComplete"
    assert other.ask("Hi")[-2]["usageMetadata"]["promptTokenCount"] == 3 + 20 + 1


def test_a_session_without_compression_is_old_in_every_connection(memory):
    talk = Talk(memory=memory, settings=QUICK)
    talk.open(sessionResumption={})
    talk.now = 500.0
    handle = handle_in(talk.ask("Hello"))
    other, _ = again(memory, handle)
    assert other.alarm.seconds == 900 - 500 - 50
    other, _ = again(memory, handle, 3, **COMPRESSED)
    assert other.alarm.seconds == 540


def test_the_setup_may_change_but_not_the_model(memory):
    talk = Talk(memory=memory)
    handle = handle_in(talk.open(sessionResumption={}))
    _, found = again(memory, handle, tools=[LAMP])
    assert kinds_of(found)[0] == "setupComplete"
    talk = Talk(memory=memory, identity=Identity(0, "", 5))
    assert talk.open(NATIVE, "AUDIO", sessionResumption={"handle": handle}) == REFUSED


def test_a_handle_that_nobody_gave(memory):
    _, found = again(memory, "h" * 96)
    assert found == [CloseWith(1008, "BidiGenerateContent session not found"), Finished()]
    _, found = again(memory, "what?")
    assert found == [CloseWith(1007, "Invalid session handle"), Finished()]


def test_a_handle_grows_old_when_its_session_is_over(memory, time):
    talk = Talk(memory=memory)
    handle = handle_in(talk.open(sessionResumption={}))
    time.now += timedelta(hours=3)
    assert kinds_of(again(memory, handle)[1])[0] == "setupComplete"
    talk.tell(Gone(1000))
    time.now += timedelta(seconds=7199)
    assert kinds_of(again(memory, handle, 3)[1])[0] == "setupComplete"
    time.now += timedelta(seconds=1)
    assert again(memory, handle, 4)[1][0] == CloseWith(1008, "BidiGenerateContent session not found")


def test_handles_do_not_cross_scopes(memory):
    talk = Talk(memory=memory)
    handle = handle_in(talk.open(sessionResumption={}))
    stranger = Talk(identity=Identity(0, "other", 1), memory=memory)
    found = stranger.open(sessionResumption={"handle": handle})
    assert found[0] == CloseWith(1008, "BidiGenerateContent session not found")


def test_no_handle_while_a_call_is_open(memory):
    talk = Talk(memory=memory)
    talk.open(tools=[LAMP], sessionResumption={})
    found = talk.ask("switch lamp")
    assert found[-1] == {"sessionResumptionUpdate": {}}
    call = call_of(found[0])
    found = talk.say(toolResponse={"functionResponses": [{"id": call["id"], "response": {}}]})
    assert handle_in(found)


def test_transparent_handles_tell_how_far_they_reach(memory):
    talk = Talk(VERTEX, memory=memory)
    transparent = {"transparent": True}
    (_, update) = talk.open(VERTEX_MODEL, sessionResumption=transparent)
    assert update["sessionResumptionUpdate"]["lastConsumedClientMessageIndex"] == "0"
    talk.say(realtimeInput=PICTURE)
    found = talk.ask("Hello")
    assert found[-1]["sessionResumptionUpdate"]["lastConsumedClientMessageIndex"] == "2"
    other, found = again(memory, handle_in(found), place=VERTEX, model=VERTEX_MODEL, resumption=transparent)
    assert found[-1]["sessionResumptionUpdate"]["lastConsumedClientMessageIndex"] == "2"
    assert other.ask("Hi")[-1]["sessionResumptionUpdate"]["lastConsumedClientMessageIndex"] == "3"


def test_handles_are_the_same_for_the_same_session(time):
    def run():
        talk = Talk(identity=IDENTITY, memory=SessionMemory(time))
        return talk.open(sessionResumption={}) + talk.ask("Hello")

    assert run() == run()


# ---- handles while something streams


def stream(talk, seconds):
    """Silence in pieces of 100 ms; what comes of it."""
    piece = {"audio": silence(0.1)}
    return [message for _ in range(round(seconds * 10)) for message in talk.start_to_say(realtimeInput=piece)]


def test_a_client_that_streams_hears_of_its_handle_every_two_seconds_of_audio(memory):
    talk = Talk(memory=memory)
    talk.open(sessionResumption={})
    assert stream(talk, 1.9) == []
    first = handle_in(stream(talk, 0.1))
    found = stream(talk, 4.0)
    assert kinds_of(found) == ["sessionResumptionUpdate"] * 2
    assert handle_in(found) != first
    assert kinds_of(again(memory, handle_in(found))[1])[0] == "setupComplete"


def test_the_end_of_a_turn_tells_of_the_handle_in_place_of_the_stream(memory):
    talk = Talk(memory=memory)
    talk.open(sessionResumption={})
    stream(talk, 1.0)
    assert kinds_of(talk.ask("Hello"))[-1] == "sessionResumptionUpdate"
    assert stream(talk, 1.9) == []
    assert kinds_of(stream(talk, 0.1)) == ["sessionResumptionUpdate"]


def test_who_wants_no_handles_streams_without_them(memory):
    talk = Talk(memory=memory)
    talk.open()
    assert stream(talk, 5.0) == []
    talk = Talk(settings=LiveSettings(handle_every_s=0), memory=memory)
    talk.open(sessionResumption={})
    assert stream(talk, 5.0) == []


def test_while_the_model_speaks_there_is_no_handle_for_it(memory):
    talk = Talk(memory=memory, settings=LiveSettings(audio_pace=1, waits_for_playback=False))
    talk.open(NATIVE, "AUDIO", sessionResumption={})
    found = talk.ask("Hello")
    assert len(kinds_of(found)) > 100
    spoken_s = sum(wait.seconds for wait in talk.waits)
    updates = [message for message in found if "sessionResumptionUpdate" in message]
    assert updates[:-1] == [{"sessionResumptionUpdate": {}}] * int(spoken_s / 2)
    assert found[50] == updates[0]
    assert handle_in(found[-1:])


def test_speech_over_a_speaking_model_is_not_told_twice(memory):
    talk = Talk(memory=memory)
    keeps = {"activityHandling": "NO_INTERRUPTION"}
    talk.open(NATIVE, "AUDIO", sessionResumption={}, realtimeInputConfig=keeps)
    talk.start_to_say(clientContent={"turns": [{"role": "user", "parts": [{"text": "Hello"}]}], "turnComplete": True})
    assert stream(talk, 5.0) == []


def test_while_a_call_is_open_a_stream_hears_that_there_is_no_handle(memory):
    talk = Talk(memory=memory)
    talk.open(tools=[LAMP], sessionResumption={})
    talk.ask("switch lamp")
    assert stream(talk, 2.0) == [{"sessionResumptionUpdate": {}}]


def test_handles_of_one_long_stream_do_not_crowd_out_others(memory):
    quiet, talk = Talk(identity=Identity(0, "", 9), memory=memory), Talk(memory=memory)
    kept = handle_in(quiet.open(sessionResumption={}))
    first = handle_in(talk.open(sessionResumption={}))
    newest = handle_in(stream(talk, 2.0 * 100))
    assert again(memory, first)[1][0] == CloseWith(1008, "BidiGenerateContent session not found")
    assert kinds_of(again(memory, newest)[1])[0] == "setupComplete"
    assert kinds_of(again(memory, kept, 3)[1])[0] == "setupComplete"
