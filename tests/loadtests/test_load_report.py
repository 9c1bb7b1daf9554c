"""The report: figures in milliseconds that a program and a person can read, without keys."""

from dataclasses import replace

from understudy.load.limits import parse_limits
from understudy.load.machine import machine, sample, versions
from understudy.load.plan import ArmPlan, Outcome, Plan, Use
from understudy.load.recording import LATENESS, Recording
from understudy.load.report import (
    CONVERSATION_HEADINGS,
    LATENCY_HEADINGS,
    PROCESS_HEADINGS,
    Report,
    as_json,
    closing_lines,
    conversation_table,
    latency_table,
    process_table,
)
from understudy.load.schedule import ARMS, Arm, Pace
from understudy.load.verdict import judged
from understudy.secret import Secret
from understudy.targets import load_target

KEY = "sk-report-0123456789"


def report(is_whole: bool = True) -> Report:
    recording = Recording()
    for block in range(12):
        for arm in ARMS:
            for _ in range(10):
                recording.took("generate", "total", arm, block, 0.010 if arm == "direct" else 0.012)
                recording.took("generate", LATENESS, arm, block, 0.0005)
                recording.outcomes("generate", arm).ok += 1
    recording.outcomes("generate", "through").failures["HTTP 500"] = 5
    limits = parse_limits({"generate": {"total": {"added_p50_ms": 5}, "errors_max_share": 0.5}}, "x")
    uses = {"gateway": Use(0.25, 50 << 20, 51 << 20), "generator": Use(0.5, 60 << 20, 60 << 20)}
    outcome = Outcome(recording, uses, 12.0, is_whole)
    target = replace(load_target("understudy", {}), key=Secret(KEY))
    arms: dict[Arm, ArmPlan] = {arm: ArmPlan("http://127.0.0.1:1", target, True) for arm in ARMS}
    plan = Plan(7, Pace(20, 1, 12, 1), ("gemini/generate",), arms, {})
    verdict = judged(recording, limits, 7, growth_mib=1.0, is_partial=not is_whole)
    return Report(plan, outcome, verdict, ("understudy", "load"), machine(), versions())


def test_the_json_says_what_was_measured_where_and_how() -> None:
    found = as_json(report())
    assert found["schema_version"] == 1
    assert (found["verdict"], found["exit_status"], found["partial"], found["seed"]) == ("held", 0, False, 7)
    [p50, _, _] = found["latency"]
    assert (p50["direct_ms"], p50["through_ms"], p50["added_ms"]) == (10.003, 12.003, 2.0)
    assert (p50["budget_ms"], p50["verdict"], p50["samples"], p50["blocks"]) == (5.0, "held", 120, 12)
    assert found["machine"]["cores"] >= 1
    assert {"python", "aiohttp", "locust", "understudy"} <= found["versions"].keys()
    assert found["lateness_ms"]["p50"] == 0.5
    assert Recording.of_json(found["recording"]).kinds == ("generate",)
    assert KEY not in str(found)


def test_use_is_told_per_thousand_conversations_that_the_process_had_part_in() -> None:
    processes = as_json(report())["processes"]
    # The gateway served its arm only (120 and 5 failures), the generator both.
    assert processes["gateway"]["conversations"] == 125
    assert processes["gateway"]["cpu_s_per_1000"] == 2.0
    assert processes["gateway"]["growth_mib_per_1000"] == 8.0
    assert processes["generator"]["conversations"] == 245


def test_tables_have_a_cell_for_each_heading() -> None:
    one = report()
    assert {len(row) for row in latency_table(one.verdict)} == {len(LATENCY_HEADINGS)}
    assert {len(row) for row in conversation_table(one.verdict)} == {len(CONVERSATION_HEADINGS)}
    assert {len(row) for row in process_table(one.outcome)} == {len(PROCESS_HEADINGS)}
    assert latency_table(one.verdict)[0][:8] == (
        *("generate", "total", "p50", "10.00", "12.00", "+2.00", "+2.00 .. +2.00", "120"),
    )
    assert conversation_table(one.verdict)[1][-1] == "held (HTTP 500 x 5)"
    assert [row[0] for row in process_table(one.outcome)] == ["gateway", "generator"]


def test_a_part_of_a_run_is_labelled_so() -> None:
    one = report(is_whole=False)
    assert as_json(one)["partial"] is True
    assert closing_lines(one)[-2:] == ["PARTIAL RESULT", "verdict: inconclusive"]
    assert "PARTIAL RESULT" not in closing_lines(report())


def test_a_process_that_is_not_there_is_not_measured() -> None:
    assert sample(2**22 + 1) is None
