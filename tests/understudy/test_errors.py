"""Problems say where they are, and offer the nearest good word."""

import pytest

from understudy.errors import Problem, ScenarioError, TargetError, UnderstudyError, did_you_mean, nearest_word


def test_a_problem_names_file_line_path_and_message():
    problem = Problem("live/x.yaml", 7, "server[4].send", "unknown key 'jsn'")
    assert str(problem) == "live/x.yaml:7: server[4].send: unknown key 'jsn'"


def test_a_problem_without_line_or_path_leaves_them_out():
    assert str(Problem("x.yaml", None, "", "empty")) == "x.yaml: empty"


def test_a_document_error_holds_all_problems_one_a_line():
    problems = [Problem("x", 1, "a", "first"), Problem("x", 2, "b", "second")]
    error = ScenarioError(problems)
    assert error.problems == tuple(problems)
    assert str(error).splitlines() == ["x:1: a: first", "x:2: b: second"]


@pytest.mark.parametrize(
    ("word", "nearest"), [("jsn", "json"), ("SERVR", "server"), ("Master_Key", "master_key"), ("zzz", None)]
)
def test_the_nearest_word_is_found_in_any_case(word, nearest):
    assert nearest_word(word, ["json", "server", "master_key"]) == nearest


def test_no_suggestion_where_nothing_comes_near():
    assert did_you_mean("zzz", ["json"]) == ""
    assert did_you_mean("jsn", ["json"]) == " (did you mean 'json'?)"


def test_exit_status_tells_usage_from_unreachable():
    assert UnderstudyError.exit_status == 2
    assert TargetError.exit_status == 3
