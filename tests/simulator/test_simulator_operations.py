"""Long-running operations as dialogues: polls in, answers out."""

from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from understudy.scenario.model import EMPTY, OperationError, OperationResponse, Reply, StartOperation, Videos
from understudy_simulator.operations import OPERATION_LIMIT, OperationDesk, VideoSource, begun, operation_answer

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SOURCE = VideoSource(lambda film, file: file.encode(), "https://files.test", "v1beta")
GEMINI = "models/veo-3.0-generate-001/operations/abc"
VERTEX = "projects/p/locations/l/publishers/google/models/veo-3.1-generate-001/operations/0-1"


def started(outcome, polls=0, *, vertex=False, files=("f1",), scope="", **more):
    name = VERTEX if vertex else GEMINI
    return begun(StartOperation(outcome, polls), name=name, scope=scope, is_vertex=vertex, files=files, now=NOW, **more)


def told(operation, polls):
    desk = OperationDesk()
    desk.start(operation)
    polled = [desk.poll(operation.name, NOW) for _ in range(polls)]
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
        (b"sample 0", "video/mp4"),
        (b"sample 1", "video/mp4"),
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
    assert desk.poll("operations/abc", NOW) is not None
    assert desk.poll("operations/bc", NOW) is None
    assert desk.poll("nothing", NOW) is None


def test_a_video_is_there_only_when_the_operation_is_done():
    desk = OperationDesk()
    desk.start(started(Videos(1), 1))
    assert desk.of_file("f1", NOW) is None
    desk.poll(GEMINI, NOW)
    assert desk.of_file("f1", NOW) is None
    desk.poll(GEMINI, NOW)
    assert desk.of_file("f1", NOW) is not None
    assert desk.of_file("f2", NOW) is None


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
        desk.start(replace(started(Videos(1)), name=f"models/m/operations/{number}", files=()))
    kept = [desk.find(f"models/m/operations/{number}", NOW) is not None for number in (0, 1, 2, OPERATION_LIMIT + 1)]
    assert kept == [False, False, True, True]
    assert desk.count("") == OPERATION_LIMIT


@given(st.integers(0, 30), st.integers(1, 60))
def test_it_is_done_after_just_so_many_polls(running_polls, polls):
    answers = told(started(Videos(1), running_polls), polls)
    assert [answer.get("done", False) for answer in answers] == [index >= running_polls for index in range(polls)]


# ---- by the clock


def seconds(number):
    return NOW + timedelta(seconds=number)


def is_done(desk, moment):
    polled = desk.poll(GEMINI, moment)
    assert polled is not None
    return polled.is_done


def test_an_operation_may_run_by_the_clock():
    start = StartOperation(Videos(1), 0, running_for_s=30)
    operation = begun(start, name=GEMINI, scope="", is_vertex=False, files=("f1",), now=NOW)
    desk = OperationDesk()
    desk.start(operation)
    done = [is_done(desk, seconds(at)) for at in (0, 10, 29.9, 30, 10)]
    assert done == [False, False, False, True, True]


def test_it_runs_for_all_its_polls_and_all_its_time():
    start = StartOperation(Videos(1), 2, running_for_s=30)
    desk = OperationDesk()
    desk.start(begun(start, name=GEMINI, scope="", is_vertex=False, files=(), now=NOW))
    assert [is_done(desk, seconds(at)) for at in (31, 32, 33)] == [False, False, True]
    desk.start(begun(start, name=GEMINI, scope="", is_vertex=False, files=(), now=NOW))
    assert [is_done(desk, seconds(at)) for at in (1, 2, 3, 30)] == [False, False, False, True]


def test_it_runs_shorter_at_a_higher_speed():
    for speed, ready in ((1.0, 30), (2.0, 15), (0.0, 0)):
        start = StartOperation(Videos(1), 0, running_for_s=30)
        operation = begun(start, name=GEMINI, scope="", is_vertex=False, files=(), now=NOW, speed=speed)
        assert operation.ready == seconds(ready)


def test_by_the_clock_the_video_is_there_before_anybody_asks():
    start = StartOperation(Videos(1), 0, running_for_s=30)
    desk = OperationDesk()
    desk.start(begun(start, name=GEMINI, scope="", is_vertex=False, files=("f1",), now=NOW))
    assert desk.of_file("f1", seconds(29)) is None
    assert desk.of_file("f1", seconds(30)) is not None


def test_operation_and_video_are_gone_after_two_days():
    desk = OperationDesk()
    desk.start(started(Videos(1)))
    desk.poll(GEMINI, NOW)
    almost, gone = NOW + timedelta(hours=48) - timedelta(seconds=1), NOW + timedelta(hours=48)
    assert desk.poll(GEMINI, almost) is not None and desk.of_file("f1", almost) is not None
    assert desk.poll(GEMINI, gone) is None and desk.of_file("f1", gone) is None
    early = StartOperation(Videos(1), gone_after_s=60)
    desk.start(begun(early, name=VERTEX, scope="", is_vertex=True, files=(), now=NOW))
    assert desk.poll(VERTEX, seconds(59)) is not None and desk.poll(VERTEX, seconds(60)) is None


# ---- filtered, stored


def test_some_videos_may_be_filtered():
    [answer] = told(started(Videos(1, filtered=1, reasons=("why",)), vertex=True), 1)
    response = answer["response"]
    assert (len(response["videos"]), response["raiMediaFilteredCount"]) == (1, 1)
    assert response["raiMediaFilteredReasons"] == ["why"]
    [answer] = told(started(Videos(1, filtered=2)), 1)
    made = answer["response"]["generateVideoResponse"]
    assert (len(made["generatedSamples"]), made["raiMediaFilteredCount"]) == (1, 2)
    assert all("not been charged" in reason for reason in made["raiMediaFilteredReasons"])


def test_all_videos_may_be_filtered():
    [answer] = told(started(Videos(0, filtered=2), vertex=True, files=()), 1)
    assert "videos" not in answer["response"]
    [reason] = answer["response"]["raiMediaFilteredReasons"]
    assert reason.startswith("Veo could not generate 2 videos")
    [answer] = told(started(Videos(0, filtered=1), files=()), 1)
    assert "generatedSamples" not in answer["response"]["generateVideoResponse"]


def test_videos_in_storage_stay_when_the_operation_is_gone():
    desk = OperationDesk()
    desk.start(started(Videos(2), vertex=True, files=("f1", "f2"), storage_uri="gs://bucket/dir/"))
    assert desk.stored(NOW) == {}
    done = desk.poll(VERTEX, NOW)
    assert done is not None
    uris = ["gs://bucket/dir/0-1/sample_0.mp4", "gs://bucket/dir/0-1/sample_1.mp4"]
    assert [video["gcsUri"] for video in operation_answer(done, SOURCE)["response"]["videos"]] == uris
    later = NOW + timedelta(days=30)
    assert {uri: file for uri, (_, file) in desk.stored(later).items()} == dict(zip(uris, ("f1", "f2"), strict=True))


@given(
    st.integers(0, 5),
    st.integers(0, 60),
    st.lists(st.integers(0, 40), min_size=1, max_size=20),
)
def test_an_operation_once_done_stays_done(polls, running, steps):
    start = StartOperation(Videos(1), polls, running_for_s=running)
    desk = OperationDesk()
    desk.start(begun(start, name=GEMINI, scope="", is_vertex=False, files=("f1",), now=NOW))
    passed, states = 0, []
    for count, step in enumerate(steps):
        passed += step
        done = is_done(desk, seconds(passed))
        states.append(done)
        assert done == (count >= polls and passed >= running)
        assert desk.of_file("f1", seconds(passed)) is not None or not done
    assert states == sorted(states)


# ---- polls that fail


def test_failing_polls_count_for_nothing_else():
    failure = Reply(503, (), EMPTY)
    start = StartOperation(Videos(1), 1, failing_polls=2, failure=failure)
    desk = OperationDesk()
    desk.start(begun(start, name=GEMINI, scope="", is_vertex=False, files=(), now=NOW))
    seen = [desk.poll(GEMINI, NOW) for _ in range(5)]
    assert [(poll.has_failed, poll.is_done) for poll in seen if poll] == [
        *((True, False), (True, False)),
        *((False, False), (False, True), (False, True)),
    ]
