"""Reports: what is counted, what is told, what never appears, the command that repeats a case, the machine forms."""

import json
import shlex
from base64 import b64encode
from dataclasses import replace
from importlib.resources import files
from io import StringIO
from urllib.parse import quote
from xml.etree import ElementTree

import jsonschema
import pytest
from case_builder import case_of
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from understudy.conformance.model import Ask, Check, Finding, Level, Run, Status, Verdict
from understudy.conformance.probes import GENERATE, HELLO, http_probe
from understudy.conformance.report import junit, machine, terminal
from understudy.conformance.report.repeat import repeat_command
from understudy.conformance.report.summary import (
    by_area,
    by_feature,
    counts,
    deviations,
    exit_status,
    outcomes,
    skips,
)
from understudy.conformance.target import Deviation, Target
from understudy.messages import Exchange, Request, Transcript
from understudy.secret import Secret
from understudy.surfaces import Surface

KEY = "sk-gateway-key-4711-äö"
TOKEN = "ya29.token+of/the=provider"
API_KEY = "AIza-key-of-the-provider"
TARGET = Target("mine", frozenset({"gemini", "keys"}), key=Secret(KEY), version="2.1", source="mine.yaml")
PROBE = http_probe("hdr/order", "order", Ask(GENERATE, body=HELLO))
OTHER = http_probe("hdr/other", "another", Ask(GENERATE, body=HELLO))


def check(
    id: str = "HDR-1/order", level: Level = "must", features: tuple[str, ...] = ("keys",), probes=(PROBE, OTHER)
) -> Check:
    return Check(id, f"What {id} demands.", lambda case: (), level, features, "RFC 9110 5.3", probes)


def verdict(status: Status, id: str = "HDR-1/order", probe: str = PROBE.id, reason: str = "", *found: Finding, **words):
    return Verdict(check(id, **words), probe, status, reason, found)


FOUND = Finding("The order is another.", ("wanted: a, b", "found: b, a"))


def run_of(*verdicts: Verdict, **words) -> Run:
    given = {
        "target": TARGET,
        "url": "http://gw.test:4000",
        "simulator": "http://127.0.0.1:8900",
        "verdicts": verdicts,
        "carriers": {Surface.GEMINI: "header", Surface.VERTEX: None},
        "cases": {PROBE.id: secret_case()},
        "started": "2026-11-21T00:00:00+00:00",
        "seconds": 1.25,
        "versions": {"understudy": "0.1.0", "python": "3.11"},
        "command": ("check", "http://gw.test:4000", "--target", "mine.yaml"),
    }
    return Run(**{**given, **words})


def secret_case():
    """A case in which all credentials are met where they stand on the wire."""
    case = case_of(PROBE)
    went = Request(
        "POST",
        f"/v1beta/models/m:generateContent?key={quote(API_KEY)}",
        ((b"Host", b"h"), (b"Authorization", b"Bearer " + TOKEN.encode()), (b"Cookie", b"plain=1")),
    )
    return replace(case, upstream=Transcript((Exchange(0, went, None, 1.0, 2.0, "broken"),)))


def told(run: Run, width: int = 80) -> str:
    out = StringIO()
    terminal.print_report(run, Console(file=out, width=width, no_color=True, force_terminal=False))
    return out.getvalue()


# -- the sum


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        (("passed", "failed", "errored"), "failed"),
        (("passed", "errored", "warned"), "errored"),
        (("passed", "warned", "skipped"), "warned"),
        (("skipped", "passed"), "passed"),
        (("skipped", "skipped"), "skipped"),
    ],
)
def test_a_check_is_as_good_as_its_worst_case(statuses, worst):
    (outcome,) = outcomes(run_of(*(verdict(status) for status in statuses)))
    assert outcome.status == worst
    assert sum(counts([outcome]).values()) == counts([outcome])[worst] == 1


def test_a_known_deviation_is_never_a_pass_by_what_passed_beside_it():
    deviating = verdict("skipped", "HDR-1/order", OTHER.id, "known deviation: so it is", FOUND)
    (outcome,) = outcomes(run_of(verdict("passed"), deviating))
    assert (outcome.status, outcome.reason) == ("skipped", "known deviation: so it is")


def test_areas_and_features_are_counted():
    run = run_of(
        verdict("passed"),
        verdict("failed", "HDR-2/x", "probe/none", "", FOUND),
        verdict("skipped", "URL-1/y", PROBE.id, "undeclared: relay", features=("relay",)),
    )
    assert {area: counts(found) for area, found in by_area(run).items()} == {
        "HDR": {"passed": 1, "warned": 0, "failed": 1, "errored": 0, "skipped": 0},
        "URL": {"passed": 0, "warned": 0, "failed": 0, "errored": 0, "skipped": 1},
    }
    features = {count.feature: count for count in by_feature(run)}
    assert features["keys"].verdicts == {"passed": 1, "warned": 0, "failed": 1, "errored": 0, "skipped": 0}
    assert features["gemini"].verdicts["passed"] == 1
    assert features["relay"].verdicts["skipped"] == 1
    assert [count.feature for count in features.values() if count.is_claimed] == ["gemini", "keys"]


@pytest.mark.parametrize(
    ("statuses", "strict", "partial", "status"),
    [
        (("passed", "skipped"), False, False, 0),
        (("passed", "warned"), False, False, 0),
        (("passed", "warned"), True, False, 1),
        (("passed", "failed"), False, False, 1),
        (("passed", "errored"), False, False, 1),
        (("skipped",), False, False, 1),
        ((), False, False, 1),
        (("passed",), False, True, 1),
    ],
)
def test_the_exit_status(statuses, strict, partial, status):
    run = run_of(*(verdict(one) for one in statuses), strict=strict, is_partial=partial)
    assert exit_status(run) == status


def test_deviations_are_listed_with_what_became_of_them():
    known = (Deviation("HDR", "a"), Deviation("HDR-1", "b"), Deviation("HDR-1/order", "c"), Deviation("URL-1", "d"))
    target = replace(TARGET, deviations=known)
    held = run_of(verdict("passed"), target=target)
    assert [state for _, state in deviations(held)] == ["no longer needed"] * 3 + ["not judged"]
    broken = run_of(verdict("skipped", "HDR-1/order", PROBE.id, "known deviation: a", FOUND), target=target)
    assert [state for _, state in deviations(broken)] == ["needed"] * 3 + ["not judged"]
    assert exit_status(broken) == 0
    text = told(broken)
    assert "known deviation  HDR: a" in text
    assert "known deviation  HDR-1: no longer needed, it holds" in told(held)
    assert "known deviation  URL-1: not judged" in text


def test_skips_are_listed_by_their_reason():
    run = run_of(
        verdict("skipped", "HDR-1/a", reason="undeclared: relay"),
        verdict("skipped", "HDR-1/b", reason="undeclared: relay"),
        verdict("skipped", "URL-1/c", reason="not played"),
    )
    assert skips(run) == {"undeclared: relay": ("HDR-1/a", "HDR-1/b"), "not played": ("URL-1/c",)}
    assert "skipped  undeclared: relay: HDR-1/a, HDR-1/b" in told(run)
    assert "nothing was judged" in told(run)


# -- the terminal


def test_a_failure_is_told_with_rule_findings_evidence_and_source():
    text = told(run_of(verdict("passed", "URL-1/x"), verdict("failed", "HDR-1/order", PROBE.id, "timeout", FOUND)))
    assert text.startswith("URL  1 passed\nHDR  1 failed\n\nfailed (timeout)  HDR-1/order\n")
    for line in ("What HDR-1/order demands.", "RFC 9110 5.3", "on probe/hdr/order", *FOUND.evidence, FOUND.message):
        assert f"  {line}\n" in text
    assert "2 checks on 1 probe in 1.2 s: 1 passed  1 failed" in text
    assert "scope      by header: gemini; not at all, so played one by one: vertex" in text


def test_an_error_of_the_suite_is_told_as_one():
    text = told(run_of(verdict("errored", reason="KeyError: 'x'")))
    assert "the suite could not judge: KeyError: 'x'" in text


def test_the_last_line_of_a_failing_run_repeats_its_first_case():
    run = run_of(verdict("passed"), verdict("failed", "HDR-2/x", OTHER.id, "", FOUND), verdict("failed", "HDR-3/y"))
    last = told(run, width=20).splitlines()[-1]
    assert last == repeat_command(run, run.verdicts[1])
    assert last == "understudy check http://gw.test:4000 --target mine.yaml probe/hdr/other --check HDR-2/x"


@pytest.mark.parametrize("status", ["passed", "warned"])
def test_a_run_that_held_ends_without_a_command(status):
    assert told(run_of(verdict(status))).splitlines()[-1] == "all held"


def test_a_broken_may_is_a_note():
    assert f"note  HDR-1/order on {PROBE.id}: {FOUND.message}" in told(
        run_of(verdict("passed", "HDR-1/order", PROBE.id, "", FOUND))
    )


def test_what_a_gateway_sent_does_not_steer_the_terminal():
    text = told(
        run_of(verdict("failed", "HDR-1/order", PROBE.id, "", Finding("bad \x1b[2J\r\x9b", ("a\nb [red]x[/red]",))))
    )
    assert "bad \\x1b[2J\\r\\x9b" in text
    assert "a\\nb [red]x[/red]" in text


def test_colours_are_for_terminals(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    run = run_of(verdict("failed", "HDR-1/order", PROBE.id, "", FOUND))
    coloured, plain = StringIO(), StringIO()
    terminal.print_report(run, Console(file=coloured, force_terminal=True, color_system="standard"))
    monkeypatch.setenv("NO_COLOR", "1")
    terminal.print_report(run, Console(file=plain, force_terminal=True))
    assert "\x1b[31m" in coloured.getvalue()
    assert "\x1b[31m" not in plain.getvalue()


# -- the command that repeats a case


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (("check",), ["understudy", "check"]),
        (
            ("check", "http://gw", "live", "--check", "HDR", "--report", "json=-", "--jobs=3", "--strict"),
            ["understudy", "check", "http://gw", "--strict"],
        ),
        (
            ("check", "--target=a file.yaml", "http://gw", "--simulator", "http://s:1", "--speed", "0", "--ca=c.pem"),
            [
                *("understudy", "check", "--target", "a file.yaml", "http://gw", "--simulator", "http://s:1"),
                *("--speed", "0", "--ca", "c.pem"),
            ],
        ),
        (
            ("check", "--key", "@key.txt", "--cost-file", "s.jsonl"),
            ["understudy", "check", "--key", "@key.txt", "--cost-file", "s.jsonl"],
        ),
        (("pytest", "-k", "x"), ["understudy", "check", "http://gw.test:4000", "--target", "mine.yaml"]),
        ((), ["understudy", "check", "http://gw.test:4000", "--target", "mine.yaml"]),
    ],
)
def test_the_repetition_keeps_what_bears_on_the_case(command, wanted):
    line = repeat_command(run_of(command=command), verdict("failed"))
    assert shlex.split(line) == [*wanted, PROBE.id, "--check", "HDR-1/order"]


@pytest.mark.parametrize("command", [("check", "--key", KEY), ("check", f"--key={KEY}")])
def test_a_key_of_the_command_line_is_asked_of_the_shell(command):
    line = repeat_command(run_of(command=command), verdict("failed"))
    assert line == f'understudy check --key "${{UNDERSTUDY_KEY:?}}" {PROBE.id} --check HDR-1/order'


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20))
def test_whatever_stands_in_the_command_line_is_quoted(text):
    line = repeat_command(run_of(command=("check", "--target", text)), verdict("failed"))
    assert shlex.split(line) == ["understudy", "check", "--target", text, PROBE.id, "--check", "HDR-1/order"]


# -- secrets


def forms(secret: str) -> list[str]:
    data = secret.encode()
    basic = [b64encode(start + data).decode() for start in (b"", b"u:", b"uu:")]
    return [secret, quote(secret), quote(secret, safe=""), secret.encode("unicode_escape").decode(), *basic]


@pytest.mark.parametrize("secret", [KEY, TOKEN, API_KEY])
def test_no_report_shows_a_credential(secret):
    evidence = tuple(f"found: <{form}> {form[:20]}... ({form[4:]} in all)" for form in forms(secret))
    bad = Finding(f"It leaks {secret}.", evidence)
    run = run_of(
        verdict("failed", "HDR-1/order", PROBE.id, f"KeyError: {secret}", bad),
        verdict("errored", "HDR-2/x", PROBE.id, f"ValueError: {secret}"),
        command=("check", "--key", secret, f"--key={secret}"),
        url=f"http://user:{quote(secret, safe='')}@gw.test",
    )
    for text in (told(run), json.dumps(machine.as_json(run), ensure_ascii=False), junit.as_xml(run)):
        for form in forms(secret):
            for start in range(0, len(form) - 12, 3):
                # Of a form inside of base64 the edges hang on what stands beside them.
                assert form[start : start + 12] not in text
        assert "leaks" in text


def test_equal_credentials_look_equal_and_the_gateway_key_has_a_name():
    bad = Finding("x", (f"{KEY} {TOKEN} {API_KEY} {TOKEN}", "plain=1"))
    text = told(run_of(verdict("failed", "HDR-1/order", PROBE.id, "", bad)))
    words = next(line for line in text.splitlines() if "<gateway key>" in line).strip()
    assert words == "<gateway key> <credential 2> <credential 3> <credential 2>"
    assert "plain=1" in text


def test_a_password_in_the_url_is_not_shown():
    run = run_of(verdict("failed", "HDR-1/order", PROBE.id, "", FOUND), url="http://me:pw@gw.test:4000", command=())
    for text in (told(run), json.dumps(machine.as_json(run)), junit.as_xml(run)):
        assert "http://gw.test:4000" in text
        assert "pw" not in text


def test_a_short_key_of_the_command_line_is_not_repeated():
    run = run_of(verdict("passed"), command=("check", "--key", "abc", "--key=abc", "--key", "@file"))
    assert machine.as_json(run)["command"] == ["check", "--key", "***", "--key=***", "--key", "@file"]


# -- for machines


SCHEMA = json.loads(files("understudy.conformance.report").joinpath("report.schema.json").read_text("utf-8"))


def every_status() -> Run:
    return run_of(
        verdict("passed"),
        verdict("failed", "HDR-2/x", PROBE.id, "timeout", replace(FOUND, is_timeout=True)),
        verdict("warned", "HDR-3/y", PROBE.id, "", FOUND, level="should"),
        verdict("errored", "STR-1/z", PROBE.id, "KeyError: 'x'"),
        verdict("skipped", "URL-1/s", PROBE.id, "undeclared: relay", features=("relay",)),
        verdict("skipped", "URL-1/d", PROBE.id, "known deviation: so", FOUND),
        target=replace(TARGET, deviations=(Deviation("URL-1/d", "so"),)),
    )


def test_the_json_report_is_as_its_schema_says():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    report = machine.as_json(every_status())
    jsonschema.validate(json.loads(json.dumps(report)), SCHEMA)
    assert report["schema_version"] == 1
    assert report["summary"] == {"passed": 1, "warned": 1, "failed": 1, "errored": 1, "skipped": 2}
    assert report["exit_status"] == 1
    assert report["known_deviations"] == [{"check": "URL-1/d", "reason": "so", "state": "needed"}]
    assert report["skipped"] == [{"reason": "undeclared: relay", "checks": ["URL-1/s"]}]
    failed = report["checks"][1]["cases"][0]
    assert failed["findings"] == [
        {"message": FOUND.message, "evidence": ["wanted: a, b", "found: b, a"], "timeout": True}
    ]
    assert failed["repeat"].endswith(f"{PROBE.id} --check HDR-2/x")
    seen = report["transcripts"][PROBE.id]["upstream"]["exchanges"][0]["request"]
    assert ["Authorization", "<credential 2>"] in json.loads(json.dumps(seen["headers"]))


@pytest.mark.parametrize("word", sorted(SCHEMA["required"]))
def test_the_schema_misses_what_is_missing(word):
    report = machine.as_json(every_status())
    del report[word]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, SCHEMA)


def test_transcripts_are_only_those_with_something_to_show():
    assert machine.as_json(run_of(verdict("passed")))["transcripts"] == {}


def test_junit_has_a_suite_an_area_and_a_case_a_verdict():
    root = ElementTree.fromstring(junit.as_xml(every_status()))
    assert root.tag == "testsuites"
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped", "time")} == {
        "tests": "6",
        "failures": "1",
        "errors": "1",
        "skipped": "2",
        "time": "1.250",
    }
    assert [(suite.get("name"), suite.get("tests")) for suite in root] == [("HDR", "3"), ("STR", "1"), ("URL", "2")]
    cases = {case.get("name", "").split(" ")[0]: case for case in root.iter("testcase")}
    assert [child.tag for child in cases["HDR-1/order"]] == []
    assert [child.tag for child in cases["HDR-2/x"]] == ["failure", "system-out"]
    assert [child.tag for child in cases["HDR-3/y"]] == ["system-out"]
    assert [child.tag for child in cases["STR-1/z"]] == ["error"]
    assert [child.tag for child in cases["URL-1/s"]] == ["skipped"]
    failure = cases["HDR-2/x"].find("failure")
    assert failure is not None
    assert (failure.get("message"), failure.get("type")) == (FOUND.message, "timeout")
    assert "found: b, a" in (failure.text or "")
    assert (failure.text or "").strip().endswith("--check HDR-2/x")


def test_with_strict_a_warning_is_a_failure_of_junit():
    run = run_of(verdict("warned", "HDR-1/order", PROBE.id, "", FOUND), strict=True)
    root = ElementTree.fromstring(junit.as_xml(run))
    assert root.get("failures") == "1"
    assert root.find(".//failure") is not None


@given(st.text(max_size=30), st.text(max_size=30))
def test_junit_is_xml_whatever_was_found(message, line):
    run = run_of(verdict("failed", "HDR-1/order", PROBE.id, "", Finding(message, (line,))))
    root = ElementTree.fromstring(junit.as_xml(run))
    assert root.find(".//failure") is not None


def test_characters_that_xml_cannot_hold_are_written_out():
    run = run_of(verdict("failed", "HDR-1/order", PROBE.id, "", Finding("a\x00\x1b\ud800\uffff<&>", ())))
    failure = ElementTree.fromstring(junit.as_xml(run)).find(".//failure")
    assert failure is not None
    assert failure.get("message") == "a\\x00\\x1b\\ud800\\uffff<&>"
