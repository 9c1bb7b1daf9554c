"""Long-running operations as dialogues: polls in, answers out."""

from base64 import b64decode
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from understudy.scenario.model import OperationError, OperationResponse, StartOperation, Videos
from understudy_simulator.operations import OPERATION_LIMIT, OperationDesk, VideoSource, begun, operation_answer

SOURCE = VideoSource(b"mp4", "https://files.test", "v1beta")
GEMINI = "models/veo-3.0-generate-001/operations/abc"
VERTEX = "projects/p/locations/l/publishers/google/models/veo-3.1-generate-001/operations/0-1"


def started(outcome, polls=0, *, vertex=False, files=("f1",), scope=""):
    name = VERTEX if vertex else GEMINI
    return begun(StartOperation(outcome, polls), name=name, scope=scope, is_vertex=vertex, files=files)


def told(operation, polls):
    desk = OperationDesk()
    desk.start(operation)
    polled = [desk.poll(operation.name) for _ in range(polls)]
    return [operation_answer(seen, SOURCE) for seen in polled if seen is not None]


def test_a_gemini_operation_runs_then_names_its_videos():
    running = {"name": GEMINI}
    kind = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse"
    uri = "https://files.test/v1beta/files/f1:download?alt=media"
    done = {
        "name": GEMINI,
        "done": True,
        "response": {"@type": kind, "generateVideoResponse": {"generatedSamples": [{"video": {"uri": uri}}]}},
    }
    assert told(started(Videos(1), 2), 4) == [running, running, done, done]


def test_a_vertex_operation_delivers_its_videos_inline():
    [answer] = told(started(Videos(2), vertex=True, files=("f1", "f2")), 1)
    assert answer["response"]["@type"] == "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"
    videos = answer["response"]["videos"]
    assert [(b64decode(video["bytesBase64Encoded"]), video["mimeType"]) for video in videos] == [
        (b"mp4", "video/mp4"),
        (b"mp4", "video/mp4"),
    ]
    assert answer["response"]["raiMediaFilteredCount"] == 0


def test_an_error_is_told_with_its_grpc_code():
    [_, answer] = told(started(OperationError(3, "against policy"), 1), 2)
    assert answer == {"name": GEMINI, "done": True, "error": {"code": 3, "message": "against policy"}}


def test_a_response_is_told_literally():
    [answer] = told(started(OperationResponse({"raiMediaFilteredCount": 1}), vertex=True), 1)
    assert answer["response"] == {"raiMediaFilteredCount": 1}


def test_an_operation_is_found_by_its_short_name_too():
    desk = OperationDesk()
    desk.start(started(Videos(1)))
    assert desk.poll("operations/abc") is not None
    assert desk.poll("operations/bc") is None
    assert desk.poll("nothing") is None


def test_a_video_is_there_only_when_the_operation_is_done():
    desk = OperationDesk()
    desk.start(started(Videos(1), 1))
    assert desk.of_file("f1") is None
    desk.poll(GEMINI)
    assert desk.of_file("f1") is None
    desk.poll(GEMINI)
    assert desk.of_file("f1") is not None
    assert desk.of_file("f2") is None


def test_forgetting_one_scope_leaves_the_others():
    desk = OperationDesk()
    desk.start(started(Videos(1), scope="a"))
    desk.start(started(Videos(1), vertex=True, scope="b"))
    desk.forget("a")
    assert (desk.count("a"), desk.count("b")) == (0, 1)
    desk.forget(None)
    assert desk.count("b") == 0


def test_only_the_latest_operations_are_kept():
    desk = OperationDesk()
    for number in range(OPERATION_LIMIT + 2):
        desk.start(replace(started(Videos(1)), name=f"models/m/operations/{number}"))
    kept = [desk.find(f"models/m/operations/{number}") is not None for number in (0, 1, 2, OPERATION_LIMIT + 1)]
    assert kept == [False, False, True, True]
    assert desk.count("") == OPERATION_LIMIT


@given(st.integers(0, 30), st.integers(1, 60))
def test_it_is_done_after_just_so_many_polls(running_polls, polls):
    answers = told(started(Videos(1), running_polls), polls)
    assert [answer.get("done", False) for answer in answers] == [index >= running_polls for index in range(polls)]
