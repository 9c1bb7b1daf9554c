"""Free Live conversations as dialogues: what the client says, and all that must come out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_rig import (
    BYE,
    COMPLETE,
    GEMINI,
    HALF_CASCADE,
    IDENTITY,
    INTERRUPTED,
    LAMP,
    NATIVE,
    NEWER,
    NEWEST,
    REFUSED,
    VERTEX,
    VERTEX_MODEL,
    Talk,
    call_of,
    end,
    kinds_of,
    pcm_in,
    silence,
    text,
    tone,
    user,
    words_in,
    words_of,
)

from understudy.scenario.json_subset import LazyJson
from understudy_simulator.audio import speech
from understudy_simulator.cues import Arrived, CloseWith, Elapsed, Finished, Gone, Opened, SendMessage, Wait
from understudy_simulator.live.machine.conversation import Conversation

# ---- setup


def test_setup_is_answered_and_vertex_gives_a_session_id():
    assert Talk().open() == [{"setupComplete": {}}]
    assert Talk(VERTEX).open(VERTEX_MODEL) == [{"setupComplete": {"sessionId": IDENTITY.uuid}}]
    assert Talk(VERTEX).open("publishers/google/models/gemini-live-2.5-flash") == [
        {"setupComplete": {"sessionId": IDENTITY.uuid}}
    ]


def test_nothing_is_sent_before_setup():
    assert Talk().tell(Opened()) == []


@pytest.mark.parametrize(
    "message",
    [
        {"clientContent": {"turnComplete": True}},
        {"realtimeInput": {"text": "hi"}},
        {"setup": {"model": HALF_CASCADE}, "clientContent": {}},
    ],
)
def test_the_first_message_must_be_setup_alone(message):
    talk = Talk()
    assert talk.say(**message) == REFUSED
    assert talk.machine.finished


def test_a_second_setup_is_refused():
    talk = Talk()
    talk.open()
    assert talk.open() == REFUSED
    assert talk.ask("anybody there?") == []


@pytest.mark.parametrize(
    ("place", "setup", "refusal"),
    [
        (
            GEMINI,
            {"model": "models/gemini-2.5-flash"},
            CloseWith(
                1008,
                "models/gemini-2.5-flash is not found for API version v1beta, or is not supported for "
                "bidiGenerateContent. Call ListModels t",
            ),
        ),
        (
            VERTEX,
            {"model": "projects/p/locations/l/publishers/google/models/nobody"},
            CloseWith(
                1008,
                "Publisher Model `projects/p/locations/l/publishers/google/models/nobody` was not found or your "
                "project does not have access",
            ),
        ),
        (
            VERTEX,
            {"model": "projects/p/locations/l/publishers/meta/models/gemini-live-2.5-flash"},
            CloseWith(
                1008,
                "Publisher Model `projects/p/locations/l/publishers/meta/models/gemini-live-2.5-flash` was not found "
                "or your project does no",
            ),
        ),
        (
            GEMINI,
            {"model": NEWER, "generationConfig": {"responseModalities": ["TEXT"]}},
            CloseWith(
                1007,
                "The requested combination of response modalities (TEXT) is not supported by the model. "
                "models/gemini-3.1-flash-live-preview",
            ),
        ),
        (
            GEMINI,
            {"model": HALF_CASCADE, "generationConfig": {"responseModalities": ["TEXT"], "speechConfig": {}}},
            CloseWith(1007, "Cannot extract voices from a non-audio request."),
        ),
    ],
)
def test_setups_that_the_services_refuse(place, setup, refusal):
    assert Talk(place).say(setup=setup) == [refusal, Finished()]


def test_a_message_that_is_no_json_is_refused():
    talk = Talk()
    talk.open()
    assert talk.tell(Arrived(LazyJson(b"hello"))) == [
        CloseWith(1007, "Invalid JSON payload received. Unexpected token.\nhello\n^"),
        Finished(),
    ]


# ---- turns


def test_a_text_turn_with_its_usage():
    talk = Talk()
    talk.open()
    assert talk.ask("Hello there") == [
        text('You said: "Hello'),
        text(' there". This answer'),
        text(" comes from the"),
        text(" simulator, not from"),
        text(" a model."),
        COMPLETE,
        end((3, 0), (20, 0)),
    ]
    assert [wait.paced for wait in talk.waits] == [False, True, True, True, True]


def test_the_prompt_of_a_turn_holds_all_that_was_said_before():
    talk = Talk()
    talk.open(systemInstruction={"parts": [{"text": "Be kind!"}]})
    assert talk.ask("Hello there")[-1] == end((2 + 3, 0), (20, 0))
    assert talk.ask("Hello again")[-1] == end((2 + 3 + 20 + 3, 0), (20, 0))


def test_the_end_of_a_vertex_turn_has_the_names_of_vertex():
    talk = Talk(VERTEX)
    talk.open(VERTEX_MODEL)
    assert talk.ask("Hello there")[-1] == {
        "serverContent": {"turnComplete": True},
        "usageMetadata": {
            "promptTokenCount": 3,
            "candidatesTokenCount": 20,
            "totalTokenCount": 23,
            "trafficType": "ON_DEMAND",
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}],
            "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 20}],
        },
    }


def test_content_without_the_end_of_its_turn_waits():
    talk = Talk()
    talk.open()
    assert talk.ask("Hello", turnComplete=False) == []
    found = talk.say(clientContent={"turnComplete": True})
    assert found[0] == text('You said: "Hello".')
    assert found[-1] == end((2, 0), (19, 0))


def test_a_model_of_family_2_answers_users_only():
    talk = Talk()
    talk.open()
    said = {"turns": [user("Hi"), {"role": "model", "parts": [{"text": "Hello"}]}], "turnComplete": True}
    assert talk.say(clientContent=said) == []
    assert talk.ask("So?")[0] == text('You said: "So?".')


def test_models_from_3_wait_after_history_that_was_announced():
    talk = Talk()
    talk.open(NEWER, "AUDIO", historyConfig={"initialHistoryInClientContent": True}, outputAudioTranscription={})
    assert talk.ask("long ago") == []
    found = talk.ask("now")
    assert words_in(found, "outputTranscription") == f'You said: "now". {BYE}'
    assert found[-1]["usageMetadata"]["promptTokenCount"] == 2 + 1


@pytest.mark.parametrize("nudge", [" ", "."])
def test_history_is_answered_at_a_nudge(nudge):
    talk = Talk()
    talk.open(NEWER, "AUDIO", historyConfig={"initialHistoryInClientContent": True}, outputAudioTranscription={})
    model = {"role": "model", "parts": [{"text": "Good day"}]}
    assert talk.say(clientContent={"turns": [user("Hello"), model], "turnComplete": True}) == []
    found = talk.say(realtimeInput={"text": nudge})
    assert words_in(found, "outputTranscription") == f'You said: "Hello". {BYE}'


def test_models_before_3_answer_history_at_once():
    talk = Talk()
    talk.open(historyConfig={"initialHistoryInClientContent": True})
    assert talk.say(clientContent={"turns": [user("long ago")]}) == []
    assert words_of(talk.ask("and now")) == f'You said: "and now". {BYE}'
    assert words_of(talk.ask("then")) == f'You said: "then". {BYE}'


def test_a_nudge_does_not_break_off_the_answer_under_way():
    talk = Talk()
    talk.open(NEWEST, "AUDIO", outputAudioTranscription={})
    found = talk.start_to_say(clientContent={"turns": [user("Hello")], "turnComplete": True})
    waiting = talk.waiting
    assert talk.start_to_say(realtimeInput={"text": " "}) == []
    assert talk.waiting is waiting
    found += talk.go_on()
    assert words_in(found, "outputTranscription") == f'You said: "Hello". {BYE}'
    assert kinds_of(found).count("turnComplete") == 1


def test_a_full_stop_asks_for_an_answer_to_what_was_said_before():
    talk = Talk()
    talk.open(tools=[LAMP])
    assert talk.say(clientContent={"turns": [user("Please switch lamp on")]}) == []
    assert call_of(talk.ask(".")[0])["name"] == "switch_lamp"


@pytest.mark.parametrize("turns", [[user(".")], [{"role": "model", "parts": [{"text": "Greet"}]}, user(".")]])
def test_a_full_stop_alone_is_answered_as_any_text(turns):
    talk = Talk()
    talk.open()
    found = talk.say(clientContent={"turns": turns, "turnComplete": True})
    assert words_of(found) == f'You said: ".". {BYE}'


def test_realtime_text_is_a_question_by_itself():
    talk = Talk()
    talk.open()
    assert talk.say(realtime_input={"text": "Hello there"})[0] == text('You said: "Hello')


def test_an_audio_answer_to_the_byte():
    for place, model, chunk in ((GEMINI, NATIVE, 1920), (VERTEX, VERTEX_MODEL, 12_000)):
        talk = Talk(place)
        talk.open(model, "AUDIO")
        found = talk.ask("Hi")
        words = f'You said: "Hi". {BYE}'
        assert pcm_in(found) == speech(words)
        sizes = {len(pcm_in([message])) for message in found[:-3]}
        assert sizes == {chunk}
        assert found[-2] == COMPLETE
        usage = found[-1]["usageMetadata"]
        counted = usage["responseTokensDetails" if place is GEMINI else "candidatesTokensDetails"]
        assert counted == [{"modality": "AUDIO", "tokenCount": -(-len(words) * 25 // 15)}]


def test_audio_is_sent_four_times_as_fast_as_it_plays():
    talk = Talk()
    talk.open(NATIVE, "AUDIO")
    talk.ask("Hi")
    assert talk.waits[0] == Wait(0.01, 2, paced=False)
    assert talk.waits[1] == Wait(0.01, 3, paced=True)


def test_the_transcription_of_an_audio_answer_is_the_text():
    talk = Talk()
    talk.open(NATIVE, "AUDIO", outputAudioTranscription={})
    found = talk.ask("Hi")
    assert words_in(found, "outputTranscription") == f'You said: "Hi". {BYE}'
    kinds = [next(iter(message["serverContent"])) for message in found]
    assert kinds[-3:] == ["outputTranscription", "generationComplete", "turnComplete"]
    assert kinds[:6] == ["modelTurn"] * 5 + ["outputTranscription"] or "outputTranscription" in kinds[:8]


# ---- spoken input


def test_audio_is_answered_when_its_stream_ends():
    talk = Talk()
    talk.open(inputAudioTranscription={})
    assert talk.say(realtimeInput={"audio": tone(1.0)}) == []
    assert talk.say(realtimeInput={"audio": tone(0.5)}) == []
    found = talk.say(realtimeInput={"audioStreamEnd": True})
    assert found[0] == {"serverContent": {"inputTranscription": {"text": "(1.5 seconds of audio)"}}}
    assert found[1] == text('You said: "(1.5')
    assert found[-1]["usageMetadata"]["promptTokensDetails"] == [{"modality": "AUDIO", "tokenCount": 38}]
    assert talk.say(realtimeInput={"audioStreamEnd": True}) == []


def test_activity_that_the_client_marks():
    talk = Talk()
    talk.open(realtimeInputConfig={"automaticActivityDetection": {"disabled": True}})
    talk.say(realtimeInput={"audio": tone(9.0)})
    assert talk.say(realtimeInput={"activityStart": {}}) == []
    assert talk.say(realtimeInput={"audio": silence(2.0)}) == []
    assert talk.say(realtimeInput={"audioStreamEnd": True}) == []
    found = talk.say(realtimeInput={"activityEnd": {}})
    # What was sent outside the activity does not count.
    assert found[0] == text('You said: "(2.0')
    assert found[-1]["usageMetadata"]["promptTokensDetails"] == [{"modality": "AUDIO", "tokenCount": 50}]


def test_marks_are_refused_while_the_service_listens_by_itself():
    talk = Talk()
    talk.open()
    assert talk.say(realtimeInput={"activityStart": {}}) == [
        CloseWith(1007, "Explicit activity control is not supported when automatic activity detection is enabled."),
        Finished(),
    ]


def test_media_chunks_are_for_family_2_only():
    talk = Talk()
    talk.open()
    assert talk.say(realtimeInput={"mediaChunks": [silence(1.0)]}) == []
    talk = Talk()
    talk.open(NEWER, "AUDIO")
    assert talk.say(realtimeInput={"mediaChunks": [silence(1.0)]}) == [
        CloseWith(1007, "realtime_input.media_chunks is deprecated. Use audio, video, or text instead."),
        Finished(),
    ]


def test_pictures_count():
    talk = Talk()
    talk.open()
    talk.say(realtimeInput={"video": {"data": "AAAA", "mimeType": "image/jpeg"}})
    usage = talk.ask("What do you see?")[-1]["usageMetadata"]
    assert usage["promptTokensDetails"] == [
        {"modality": "TEXT", "tokenCount": 4},
        {"modality": "IMAGE", "tokenCount": 258},
    ]


@pytest.mark.parametrize("role", [None, "system"])
def test_roles_that_are_refused(role):
    turn = {"parts": [{"text": "Hi"}]} | ({"role": role} if role else {})
    talk = Talk()
    talk.open(NEWER, "AUDIO")
    assert talk.say(clientContent={"turns": [turn], "turnComplete": True}) == REFUSED


def test_a_turn_without_a_role_is_a_users_in_family_2():
    talk = Talk()
    talk.open()
    turn = {"parts": [{"text": "Hi"}]}
    assert talk.say(clientContent={"turns": [turn], "turnComplete": True})[0] == text('You said: "Hi".')


# ---- interruption


def test_new_content_interrupts_and_only_what_was_sent_counts():
    talk = Talk()
    talk.open()
    first = talk.start_to_say(clientContent={"turns": [user("Hello there")], "turnComplete": True})
    assert first == [text('You said: "Hello')]
    stale = talk.waits[-1]
    found = talk.start_to_say(clientContent={"turns": [user("Stop")], "turnComplete": True})
    assert found == [INTERRUPTED, end((3, 0), (4, 0)), text('You said: "Stop".')]
    assert talk.tell(Elapsed(stale.id)) == []
    assert talk.go_on()[-1] == end((3 + 4 + 1, 0), (19, 0))


def test_content_that_asks_nothing_interrupts_too():
    talk = Talk()
    talk.open()
    talk.start_to_say(clientContent={"turns": [user("Hello there")], "turnComplete": True})
    assert talk.say(clientContent={"turns": [user("Well")]}) == [INTERRUPTED, end((3, 0), (4, 0))]


def test_without_interruption_the_answer_goes_on_and_the_next_follows():
    talk = Talk()
    talk.open(realtimeInputConfig={"activityHandling": "NO_INTERRUPTION"})
    talk.start_to_say(realtimeInput={"text": "Hello there"})
    wait = talk.waiting
    assert talk.start_to_say(realtimeInput={"text": "And?"}) == []
    talk.waiting = wait
    found = talk.go_on()
    assert [message for message in found if "usageMetadata" in message] == [
        end((3, 0), (20, 0)),
        end((3 + 1 + 20, 0), (19, 0)),
    ]
    assert text('You said: "And?".') in found


# ---- function calls


def test_a_function_call_in_family_2_closes_its_turn_at_once():
    talk = Talk()
    talk.open(tools=[LAMP])
    found = talk.ask("Please switch lamp on")
    call = call_of(found[0])
    assert (call["name"], call["args"]) == ("switch_lamp", {})
    assert call["id"].startswith("function-call-")
    assert found[1:2] == [COMPLETE]
    assert [list(message) for message in found[2:]] == [["serverContent", "usageMetadata"]]
    results = [{"id": call["id"], "name": "switch_lamp", "response": {"result": "ok"}}]
    answer = talk.say(tool_response={"functionResponses": results})
    assert words_of(answer) == f'I asked, and switch_lamp returned {{"result": "ok"}}. {BYE}'
    assert answer[-2] == COMPLETE
    assert answer[-1]["serverContent"] == {"turnComplete": True}


def test_a_function_call_in_family_3_ends_its_turn_after_the_response():
    talk = Talk()
    talk.open(NEWER, "AUDIO", tools=[LAMP])
    found = talk.ask("Please call it")
    assert [list(message) for message in found] == [["toolCall"]]
    results = [{"name": "switch_lamp", "response": {}}]
    answer = talk.say(toolResponse={"functionResponses": results})
    assert sum("usageMetadata" in message for message in answer) == 1
    assert answer[-2] == COMPLETE
    assert len(pcm_in(answer)) == len(f"I asked, and switch_lamp returned {{}}. {BYE}") * 3200
    details = answer[-1]["usageMetadata"]["responseTokensDetails"]
    assert [entry["modality"] for entry in details] == ["TEXT", "AUDIO"]


def test_nothing_is_answered_while_a_call_is_open():
    talk = Talk()
    talk.open(tools=[LAMP])
    call = call_of(talk.ask("switch lamp")[0])
    assert talk.ask("Are you there?") == []
    assert talk.say(realtimeInput={"text": "Hello?"}) == []
    assert talk.say(toolResponse={"functionResponses": [{"id": call["id"], "response": {}}]}) != []


@pytest.mark.parametrize("result", [{"id": "someone-else", "name": "switch_lamp"}, {"name": "other"}, {}])
def test_a_response_to_no_call_is_refused(result):
    talk = Talk()
    talk.open(tools=[LAMP])
    talk.ask("switch lamp")
    assert talk.say(toolResponse={"functionResponses": [result | {"response": {}}]}) == REFUSED


def test_the_word_call_calls_only_as_a_word():
    talk = Talk()
    talk.open(tools=[LAMP])
    assert "toolCall" not in talk.ask("Do you recall?")[0]
    assert "toolCall" in talk.ask("CALL!")[0]


def test_tools_can_be_changed_in_family_3_8():
    talk = Talk()
    talk.open(NEWEST, "AUDIO")
    assert talk.say(contextUpdate={"tools": {"tools": [LAMP]}}) == []
    assert "toolCall" in kinds_of(talk.ask("switch lamp"))
    assert talk.say(contextUpdate={"tools": {"tools": []}}) == []
    assert "toolCall" not in kinds_of(talk.ask("switch lamp"))
    for model, modality in ((NEWER, "AUDIO"), (HALF_CASCADE, "TEXT")):
        talk = Talk()
        talk.open(model, modality)
        assert talk.say(contextUpdate={"tools": {"tools": [LAMP]}}) == REFUSED


# ---- the machine


def test_after_the_client_left_nothing_comes():
    talk = Talk()
    talk.open()
    talk.start_to_say(clientContent={"turns": [user("Hello there")], "turnComplete": True})
    assert talk.tell(Gone(1000)) == [Finished()]
    assert talk.machine.finished
    assert talk.go_on() == []


messages = st.sampled_from(
    [
        {"setup": {"model": HALF_CASCADE, "generationConfig": {"responseModalities": ["TEXT"]}, "tools": [LAMP]}},
        {"setup": {"model": NEWER, "tools": [LAMP]}},
        {"clientContent": {"turns": [user("Hi")], "turnComplete": True}},
        {"clientContent": {"turns": [user("switch lamp")], "turnComplete": True}},
        {"clientContent": {"turns": [{"parts": 3, "role": []}], "turnComplete": True}},
        {"realtimeInput": {"text": "Hi"}},
        {"realtimeInput": {"audio": {"data": "AAAA"}, "audioStreamEnd": True}},
        {"toolResponse": {"functionResponses": [{"name": "switch_lamp", "response": {}}]}},
        {"contextUpdate": {}},
        {},
    ]
).map(lambda message: Arrived(LazyJson(json.dumps(message).encode())))
events = st.lists(messages | st.integers(0, 30).map(Elapsed) | st.just(Gone(None)) | st.just(Opened()), max_size=25)


@given(events, st.sampled_from([GEMINI, VERTEX]))
def test_no_order_of_events_breaks_the_machine(told, place):
    machine = Conversation(place, IDENTITY)
    ends, begun = 0, 0
    for event in told:
        was_over = machine.finished
        actions = machine.on(event)
        assert not (was_over and actions)
        assert machine.finished == (was_over or bool(actions and isinstance(actions[-1], Finished)))
        waits = [action for action in actions if isinstance(action, Wait)]
        assert all(action is actions[-1] for action in waits)
        for action in actions:
            if isinstance(action, SendMessage):
                content = json.loads(action.payload)
                begun += "setupComplete" in content
                ends += "turnComplete" in content.get("serverContent", {})
                assert ("usageMetadata" in content) == ("turnComplete" in content.get("serverContent", {}))
    assert begun <= 1
    assert ends == 0 or begun == 1
