"""The words of faults: what each becomes, where it may stand, and what is told where it may not."""

from typing import Any

import pytest

from understudy.errors import ScenarioError
from understudy.scenario.criteria import Match, Trigger
from understudy.scenario.document_bodies import FAULT_WORDS
from understudy.scenario.match import shadowed
from understudy.scenario.model import CloseSession, Fault, Injection, Payload, Reply
from understudy.scenario.parse import parse_scenario
from understudy.surfaces import Surface

HTTP = {"title": "t", "surface": "gemini", "model": "m"}
LIVE = {"title": "t", "surface": "gemini-live", "model": "m"}
STEP = {"server": [{"reply": {}}]}


def mistakes(document: dict[str, Any]) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(document, id="a/b", source="f")
    return [f"{problem.path}: {problem.message}" for problem in caught.value.problems]


def layered(*faults: dict[str, Any], **words: Any):
    return parse_scenario({**HTTP, "faults": list(faults), **words}, id="a/b")


VALUES: dict[str, tuple[Any, Fault]] = {
    "latency": ("2s", Fault("latency", seconds=2)),
    "jitter": ("2s", Fault("jitter", seconds=2)),
    "stall": ("2s", Fault("stall", seconds=2)),
    "slow_head": ("2s", Fault("slow_head", seconds=2)),
    "slow_close": ("2s", Fault("slow_close", seconds=2)),
    "bandwidth": (5, Fault("bandwidth", size=5)),
    "slice": ("utf8", Fault("slice", text="utf8")),
    "truncate": (0, Fault("truncate")),
    "insert": ({"json": {"a": 1}}, Fault("insert", payload=Payload((b'{"a":1}',), "json"))),
    "corrupt": (5, Fault("corrupt", size=5)),
    "shorten": (5, Fault("shorten", size=5)),
    "pad": (5, Fault("pad", size=5)),
    "duplicate_field": ("a", Fault("duplicate_field", text="a")),
    "without": ("a", Fault("without", text="a")),
    "content_type": ("text/html", Fault("content_type", text="text/html")),
    "opcode": (3, Fault("opcode", size=3)),
    "reserved_bit": (1, Fault("reserved_bit", size=1)),
}


@pytest.mark.parametrize("word", FAULT_WORDS)
def test_each_word_becomes_the_fault_of_its_name(word: str):
    value, wanted = VALUES.get(word, (True, Fault(word)))  # pyright: ignore[reportArgumentType]
    [injection] = layered(
        {"fault": {word: value}, "at": 1} if word in ("drop", "duplicate", "reorder") else {"fault": {word: value}},
        match={"surface": "*"},
    ).faults
    assert injection.what == wanted
    assert str(wanted).split()[0] == word


@pytest.mark.parametrize(
    ("words", "trigger", "told"),
    [
        ({}, Trigger(), "always"),
        ({"always": True}, Trigger(), "always"),
        ({"nth": 3}, Trigger(nth=3), "nth 3"),
        ({"first": 2, "weight": 1}, Trigger(first=2, weight=1), "first 2, weight 1"),
        ({"until": "90s"}, Trigger(until_s=90), "until 90s"),
        ({"probability": 1}, Trigger(probability=1), "probability 1.0"),
        ({"match": {"method": "x*"}}, Trigger(match=Match(method="x*")), "always"),
    ],
)
def test_triggers(words: dict[str, Any], trigger: Trigger, told: str):
    [injection] = layered({"fault": {"stop": True}, **words}, seed=1).faults
    assert injection == Injection(Fault("stop"), trigger)
    assert str(injection.trigger) == told


def test_answers_and_closes_may_be_laid_over_too():
    [reply, error] = layered({"reply": {"status": 502, "text": "x"}}, {"error": "unavailable"}).faults
    assert isinstance(reply.what, Reply) and (reply.what.status, reply.what.payload.pieces) == (502, (b"x",))
    assert isinstance(error.what, Reply) and error.what.status == 503
    found = parse_scenario({**LIVE, "faults": [{"close": {"code": 1011}, "at": 2}, {"error": "overloaded"}]}, id="a")
    assert found.faults[0] == Injection(CloseSession(1011, ""), at=2)
    assert isinstance(found.faults[1].what, CloseSession)


def test_a_scenario_that_only_has_faults_is_for_its_surface_or_for_all():
    assert layered({"fault": {"stop": True}}).match.surface == (Surface.GEMINI,)
    assert layered({"fault": {"stop": True}}, match={"surface": "*"}).match.surface == ()
    assert layered({"fault": {"stop": True}}, match={"path": "/token"}).match.surface == ()
    assert layered({"fault": {"stop": True}}, match={"surface": ["gemini", "vertex-live"]}).match.surface == (
        Surface.GEMINI,
        Surface.VERTEX_LIVE,
    )


def test_a_star_is_every_surface_of_the_kind_of_a_scenario_that_answers():
    found = parse_scenario({**HTTP, **STEP, "match": {"surface": "*"}}, id="a/b").match.surface
    assert set(found) == {surface for surface in Surface if not surface.is_live}


def test_faults_stand_in_nobodys_way():
    over = layered({"fault": {"stop": True}}, model="*")
    answers = parse_scenario({**HTTP, **STEP}, id="b")
    assert shadowed([over, answers]) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({}, ": 'server' is missing"),
        ({"faults": []}, "faults: must not be empty"),
        (
            {"faults": [{}]},
            "faults[0]: one of the faults needs exactly one of fault, reply, error, close; found none of them",
        ),
        (
            {"faults": [{"fault": {"stop": True}, "error": "internal"}]},
            "faults[0]: one of the faults needs exactly one of fault, reply, error, close; found both fault and error",
        ),
        ({"faults": [{"fault": {"stopp": True}}]}, "faults[0].fault: unknown key 'stopp' (did you mean 'stop'?)"),
        ({"faults": [{"fault": {"stop": True}, "nht": 1}]}, "faults[0]: unknown key 'nht' (did you mean 'nth'?)"),
        (
            {"faults": [{"fault": {"stop": True}, "nth": 1, "first": 2}]},
            "faults[0]: one trigger at most, not nth and first",
        ),
        (
            {"faults": [{"fault": {"stop": True}, "nth": 0}]},
            "faults[0].nth: input should be greater than or equal to 1",
        ),
        (
            {"faults": [{"fault": {"stop": True}, "probability": 0.5}]},
            "faults[0].probability: chance needs a 'seed' at the top of the scenario",
        ),
        (
            {"faults": [{"fault": {"stop": True}, "weight": 2}]},
            "faults[0].weight: chance needs a 'seed' at the top of the scenario",
        ),
        (
            {
                "seed": 1,
                "faults": [{"fault": {"stop": True}, "probability": 0.6}, {"fault": {"end": True}, "probability": 0.6}],
            },
            "faults: the probabilities add up to 1.2",
        ),
        ({"faults": [{"fault": {"drop": True}}]}, "faults[0]: 'drop' needs 'at'"),
        (
            {"faults": [{"fault": {"slow_head": "1s"}, "at": 2}]},
            "faults[0].at: 'slow_head' concerns a whole answer or session",
        ),
        ({"faults": [{"reply": {}, "at": 2}]}, "faults[0].at: a reply is in the place of the whole answer"),
        ({"faults": [{"close": {}}]}, "faults[0].close: 'close' does not fit surface gemini"),
        ({"faults": [{"fault": {"opcode": 3}}]}, "faults[0].fault.opcode: 'opcode' does not fit surface gemini"),
        (
            {"surface": "gemini-live", "faults": [{"fault": {"end": True}}]},
            "faults[0].fault.end: 'end' does not fit surface gemini-live",
        ),
        (
            {"faults": [{"error": "unavailble"}]},
            "faults[0].error: unknown error 'unavailble' (did you mean 'unavailable'?)",
        ),
        (
            {"server": [{"reply": {}, "fault": {"drop": True}}]},
            "server[0].fault: 'drop' stands beside a send, or among the chunks of a stream",
        ),
        (
            {"server": [{"reply": {}, "fault": {"masked": True}}]},
            "server[0].fault.masked: 'masked' does not fit surface gemini",
        ),
        (
            {"server": [{"fault": {"corrupt": 1}}]},
            "server[0].fault: this fault stands beside a send, reply or stream, not by itself",
        ),
        (
            {"server": [{"fault": {"bandwidth": 1}}]},
            "server[0].fault: this fault stands beside a reply or stream, not by itself",
        ),
        (
            {"server": [{"stream": {"chunks": [{"fault": {"slow_close": "1s"}}]}}]},
            "server[0].stream.chunks[0].fault: 'slow_close' stands beside a reply or stream, not among chunks",
        ),
        (
            {"surface": "gemini-live", "server": [{"send": {"json": 1}, "fault": {"slow_close": "1s"}}]},
            "server[0].fault: 'slow_close' concerns a whole answer or session, not one message",
        ),
        ({"server": [{"reply": {}, "fault": {"slice": "utf16"}}]}, "server[0].fault.slice"),
        ({"server": [{"reply": {}, "fault": {"reserved_bit": 4}}]}, "server[0].fault.reserved_bit: "),
    ],
)
def test_each_mistake_is_told(words: dict[str, Any], told: str):
    found = mistakes({**HTTP, **words})
    assert any(one.startswith(told) for one in found), found
