"""Function calls of free sessions: blocking and not, scheduling, cancellation, answers by id and by name."""

from typing import Any

import pytest
from live_rig import (
    BYE,
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
    call_of,
    kinds_of,
    pcm_in,
    silence,
    tone,
    user,
    words_in,
    words_of,
)

from understudy_simulator.cues import CloseWith
from understudy_simulator.live.settings import LiveSettings

LAMP = {"name": "switch_lamp", "parameters": {"type": "OBJECT", "properties": {}}}
DOOR = {"name": "open_door", "parameters": {"type": "OBJECT", "properties": {}}}
LATE_LAMP = LAMP | {"behavior": "NON_BLOCKING"}
MANUAL = {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}


def tools(*functions):
    return [{"functionDeclarations": list(functions)}]


def asked(model: Any = HALF_CASCADE, modality: Any = "TEXT", functions: Any = (LAMP,), place: Any = GEMINI, **setup):
    """A session that was just asked for a call, and what came at once."""
    talk = Talk(place, settings=setup.pop("settings", QUICK))
    talk.open(model, modality, tools=tools(*functions), **setup)
    return talk, talk.start_to_say(clientContent={"turns": [user("Please switch lamp on")], "turnComplete": True})


def calling(*how: Any, **setup: Any):
    """A session that has just called; the session, its call, and what came until then."""
    talk, found = asked(*how, **setup)
    if "toolCall" not in found[0]:
        found += talk.go_on(until="toolCall")
    [message] = [message for message in found if "toolCall" in message]
    return talk, call_of(message), found


def answer(talk, call, start=False, **fields):
    result = {"id": call["id"], "name": call["name"], "response": {"result": "ok"}} | fields
    say = talk.start_to_say if start else talk.say
    return say(toolResponse={"functionResponses": [result]})


# ---- blocking


def test_calls_of_one_turn_come_in_one_message_and_are_answered_together():
    talk = Talk()
    talk.open(tools=tools(LAMP, DOOR))
    found = talk.ask("switch lamp and open door")
    calls = found[0]["toolCall"]["functionCalls"]
    assert [call["name"] for call in calls] == ["switch_lamp", "open_door"]
    assert len({call["id"] for call in calls}) == 2
    assert answer(talk, calls[1]) == []
    assert "switch_lamp returned" in words_of(answer(talk, calls[0]))


def test_both_results_are_told():
    talk = Talk()
    talk.open(tools=tools(LAMP, DOOR))
    calls = talk.ask("switch lamp and open door")[0]["toolCall"]["functionCalls"]
    results = [{"id": call["id"], "name": call["name"], "response": {"n": n}} for n, call in enumerate(calls)]
    words = words_of(talk.say(toolResponse={"functionResponses": results}))
    assert words == f'I asked, and switch_lamp returned {{"n": 0}}; open_door returned {{"n": 1}}. {BYE}'


def test_an_answer_without_an_id_is_found_by_its_name():
    talk, _, _ = calling(VERTEX_MODEL, place=VERTEX)
    assert words_of(talk.say(toolResponse={"functionResponses": [{"name": "switch_lamp", "response": {}}]}))


def test_a_call_that_is_not_answered_holds_everything_up():
    talk, call, _ = calling()
    talk.go_on()
    assert talk.ask("Hello?") == []
    assert talk.say(realtimeInput={"text": "Hello?"}) == []
    assert talk.say(realtimeInput={"audio": silence(1.0)}) == []
    found = answer(talk, call)
    assert kinds_of(found).count("turnComplete") == 1


def test_an_answer_given_twice_is_refused():
    talk, call, _ = calling()
    answer(talk, call)
    assert answer(talk, call) == REFUSED


# ---- cancellation


def test_speech_cancels_the_call_of_a_turn_that_waits():
    talk, call, _ = calling(NEWER, "AUDIO")
    found = talk.start_to_say(realtimeInput={"audio": tone(0.2)})
    assert found[0] == {"toolCallCancellation": {"ids": [call["id"]]}}
    assert found[1] == INTERRUPTED
    assert kinds_of(found[2:]) == ["turnComplete"]
    # The client could not know yet: its answer comes to nothing.
    assert answer(talk, call) == []
    assert kinds_of(talk.say(realtimeInput={"audio": silence(1.0)}))[-1] == "turnComplete"


def test_speech_cancels_a_call_whose_turn_is_over():
    talk, call, found = calling(HALF_CASCADE, "TEXT", **MANUAL)
    assert kinds_of(found)[-1] == "turnComplete"
    assert talk.say(realtimeInput={"activityStart": {}}) == [{"toolCallCancellation": {"ids": [call["id"]]}}]
    assert answer(talk, call) == []
    assert words_of(talk.ask("Well")) == f'You said: "Well". {BYE}'


def test_nothing_is_cancelled_where_speech_does_not_interrupt():
    keeps = {"activityHandling": "NO_INTERRUPTION"}
    talk, call, _ = calling(NEWER, "AUDIO", realtimeInputConfig=keeps)
    assert talk.start_to_say(realtimeInput={"audio": tone(0.2)}) == []
    assert kinds_of(answer(talk, call))[-1] == "turnComplete"


def test_an_interrupted_turn_cancels_the_calls_it_made_and_no_others():
    talk, call, _ = calling(NEWEST, "AUDIO", settings=LiveSettings())
    found = talk.start_to_say(clientContent={"turns": [user("Stop")], "turnComplete": True})
    assert found[:2] == [{"toolCallCancellation": {"ids": [call["id"]]}}, INTERRUPTED]
    talk, call, _ = calling(NEWEST, "AUDIO")
    talk.go_on()
    talk.start_to_say(clientContent={"turns": [user("Another thing")], "turnComplete": True})
    found = talk.start_to_say(clientContent={"turns": [user("Stop")], "turnComplete": True})
    assert found[0] == INTERRUPTED
    talk.go_on()
    assert kinds_of(answer(talk, call))[-1] == "turnComplete"


# ---- not blocking


def test_a_call_that_was_not_sent_is_never_cancelled():
    talk, found = asked(NEWEST, "AUDIO")
    assert kinds_of(found) == ["modelTurn"]
    found = talk.say(clientContent={"turns": [user("Stop")], "turnComplete": True})
    assert kinds_of(found)[:2] == ["interrupted", "turnComplete"]
    assert not {"toolCall", "toolCallCancellation"} & set(kinds_of(found))


def test_words_come_before_a_late_call_and_the_end_of_the_turn_behind_it():
    talk, _, found = calling(NATIVE, "AUDIO", [LATE_LAMP])
    assert set(kinds_of(found)[:-1]) <= {"modelTurn", "toolCall", "generationComplete"}
    at = kinds_of(found).index("toolCall")
    assert at > 10
    assert kinds_of(found + talk.go_on())[at:] == ["toolCall", "generationComplete", "turnComplete"]


def test_a_late_call_lets_the_conversation_go_on():
    talk, call, found = calling(NATIVE, "AUDIO", [LATE_LAMP], outputAudioTranscription={})
    found += talk.go_on()
    assert words_in(found, "outputTranscription") == "I am calling switch_lamp; meanwhile we can go on."
    assert kinds_of(found)[-2:] == ["generationComplete", "turnComplete"]
    assert "meanwhile" not in words_in(talk.ask("What else?"), "outputTranscription")
    assert "switch_lamp returned" in words_in(answer(talk, call), "outputTranscription")


def test_late_is_the_default_of_the_newest_family_only():
    for model, goes_on in ((NEWEST, True), (NATIVE, False), (NEWER, False)):
        talk, _, found = calling(model, "AUDIO")
        talk.go_on()
        assert (talk.ask("And?") != []) is goes_on, model
        assert ("toolCall" in found[0]) is not goes_on, model
    talk, _, _ = calling(NEWEST, "AUDIO", [LAMP | {"behavior": "BLOCKING"}])
    assert talk.ask("And?") == []


def speaking_after_call(place=GEMINI, model=NATIVE):
    """A session with an open late call, in the middle of another answer."""
    talk, call, _ = calling(model, "AUDIO", [LATE_LAMP], place)
    talk.go_on()
    talk.start_to_say(clientContent={"turns": [user("Something else")], "turnComplete": True})
    return talk, call


def test_a_result_may_interrupt():
    talk, call = speaking_after_call()
    found = answer(talk, call, scheduling="INTERRUPT")
    assert kinds_of(found)[:2] == ["interrupted", "turnComplete"]
    assert kinds_of(found)[-2:] == ["generationComplete", "turnComplete"]


def test_a_result_waits_for_the_end_of_the_turn():
    for fields in ({}, {"scheduling": "WHEN_IDLE"}):
        talk, call = speaking_after_call()
        waiting = talk.waiting
        assert answer(talk, call, start=True, **fields) == []
        talk.waiting = waiting
        found = talk.go_on()
        assert kinds_of(found).count("turnComplete") == 2
        assert INTERRUPTED not in found


def test_a_silent_result_only_joins_the_context():
    talk, call = speaking_after_call()
    waiting = talk.waiting
    assert answer(talk, call, start=True, scheduling="SILENT") == []
    talk.waiting = waiting
    before = talk.go_on()[-1]["usageMetadata"]
    after = talk.ask("Hi")[-1]["usageMetadata"]
    result = -(-len('{"functionResponse":{"name":"switch_lamp","response":{"result":"ok"}}}') // 4)
    assert after["promptTokenCount"] == before["promptTokenCount"] + before["responseTokenCount"] + 1 + result


def test_vertex_ignores_the_scheduling():
    model = "projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash-native-audio"
    talk, call = speaking_after_call(VERTEX, model)
    waiting = talk.waiting
    assert answer(talk, call, start=True, scheduling="INTERRUPT") == []
    talk.waiting = waiting
    assert kinds_of(talk.go_on()).count("turnComplete") == 2


def test_a_blocking_call_has_no_scheduling():
    talk, call, _ = calling()
    assert words_of(answer(talk, call, scheduling="SILENT")).startswith("I asked, and switch_lamp returned")


def test_a_result_that_will_continue_leaves_the_call_open():
    talk, call, _ = calling(NATIVE, "AUDIO", [LATE_LAMP])
    talk.go_on()
    for more in (True, True, False):
        assert pcm_in(answer(talk, call, willContinue=more))
    assert answer(talk, call) == REFUSED


def test_vertex_has_no_results_that_continue():
    talk, call, _ = calling(VERTEX_MODEL, place=VERTEX)
    (refused, _) = answer(talk, call, willContinue=True)
    assert isinstance(refused, CloseWith)
    assert refused.code == 1007
    assert "willContinue" in refused.reason


@pytest.mark.parametrize("model", [NATIVE, NEWEST, NEWER])
def test_a_call_and_its_turn_have_one_end_each(model):
    talk, call, found = calling(model, "AUDIO")
    found += talk.go_on()
    assert kinds_of(found).count("turnComplete") == (0 if model == NEWER else 1)
    found = answer(talk, call)
    assert found[-2] == COMPLETE
    assert kinds_of(found).count("turnComplete") == 1


LARGE = "x" * 200_000
RESULT = {"name": "switch_lamp", "response": {"result": LARGE}, "willContinue": True}


@pytest.mark.parametrize("message", [{"realtimeInput": {"text": LARGE}}, {"clientContent": {"turns": [user(LARGE)]}}])
def test_what_is_said_while_a_call_holds_everything_up_fills_the_context(message):
    talk, _, _ = calling()
    assert [talk.say(**message) for _ in range(3)] == [[], [], REFUSED]


@pytest.mark.parametrize("scheduling", ["SILENT", "WHEN_IDLE"])
def test_results_that_are_not_spoken_of_yet_fill_the_context(scheduling):
    talk, call, _ = calling(functions=(LATE_LAMP,))
    if scheduling == "WHEN_IDLE":
        talk.ask("Tell me more")
        talk.start_to_say(clientContent={"turns": [user("And more")], "turnComplete": True})
    message = {"functionResponses": [RESULT | {"id": call["id"], "scheduling": scheduling}]}
    found = [talk.start_to_say(toolResponse=message) for _ in range(3)]
    assert found[0] == []
    assert found[2] == REFUSED
