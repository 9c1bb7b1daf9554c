"""The file `bench.json`: it comes back as it was written, and what is no such file is refused."""

import json

import pytest
from bench_reports import report, row
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import ConfigError
from understudy_bench.figures import skipped_row
from understudy_bench.rows import from_json, to_json
from understudy_bench.tables import HEADINGS, facts, markdown, report_cells

SKIPPED = skipped_row("unary/nginx", "us/request", {"python": "3"}, "nginx is not installed")
WHOLE = report(row("unary/gateway", 2.0, spread=0.05, rate=1600.0, program_share=1.0, load_share=0.1), SKIPPED)


def test_a_report_comes_back_as_it_was_written():
    assert from_json(to_json(WHOLE), "x") == WHOLE


def test_every_row_names_what_it_measured_and_with_which_versions():
    for written in json.loads(to_json(WHOLE))["rows"]:
        assert {"name", "value", "unit", "reference", "ratio", "versions"} <= written.keys()


def test_workload_and_program_are_read_from_the_name():
    made = row("live-4k/gateway", 2.0)
    assert (made.workload, made.program, made.is_ours) == ("live-4k", "gateway", True)
    assert not row("live-4k/relay", 2.0).is_ours


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists).map(lambda value: json.dumps(value).encode()))
def test_what_is_no_report_is_refused_with_its_name(data):
    with pytest.raises(ConfigError, match=r"^some\.json: "):
        from_json(data, "some.json")


@pytest.mark.parametrize(
    "change",
    [{"schema_version": 99}, {"rows": [{"name": "x"}]}, {"rows": None}, {"machine": 3}],
)
def test_a_report_out_of_form_is_refused(change):
    with pytest.raises(ConfigError, match=r"^some\.json: "):
        from_json(json.dumps(json.loads(to_json(WHOLE)) | change).encode(), "some.json")


def test_the_table_shows_figures_ratios_and_reasons():
    first, second = report_cells(WHOLE)
    assert first == ("unary", "gateway", "10.0", "us/request", "2.00 x echo", "5%", "1,600", "100%", "10%", "", "")
    assert second[-1] == "skipped: nginx is not installed"


def test_a_row_that_was_not_saturated_says_so():
    (cells,) = report_cells(report(row("unary/nginx", 0.4, saturated=False)))
    assert cells[-1] == "not saturated"


@pytest.mark.parametrize(("value", "notes"), [(4.9, "500 sessions"), (5.1, "over its limit; 500 sessions")])
def test_a_row_with_a_limit_shows_it_and_says_if_it_is_over(value, notes):
    made = row("live-paced-p99/simulator", None, value=value, saturated=None, must=5.0, aim=1.5, note="500 sessions")
    (cells,) = report_cells(report(made))
    assert cells[-2:] == ("<= 5, aim 1.5", notes)
    assert made.is_over == (value > 5)
    assert from_json(to_json(report(made)), "x").rows == (made,)


def test_a_limit_without_an_aim_is_shown_alone():
    (cells,) = report_cells(report(row("live-idle/simulator", None, must=25.0)))
    assert cells[-2:] == ("<= 25", "")


def test_markdown_has_one_line_for_each_row_and_as_many_cells_in_each():
    lines = markdown(HEADINGS, report_cells(WHOLE)).splitlines()
    assert len(lines) == 2 + len(WHOLE.rows)
    assert {line.count("|") for line in lines} == {len(HEADINGS) + 1}


def test_the_facts_name_machine_versions_and_settings():
    assert facts(WHOLE) == "Machine: cpu x. Versions: python 3. 5 repetitions of 1.0 s, seed 0.\n"


@pytest.mark.parametrize(("ratio", "said"), [(6.0, ""), (6.1, "over its limit")])
def test_a_row_with_a_reference_is_held_to_its_ratio(ratio, said):
    line = report_cells(report(row("accounting-4k/engine", ratio, "json.loads", must=6.0, saturated=None)))[0]
    assert line[-2:] == ("<= 6", said)
