"""`understudy price`: the frozen book's numbers, worked out by hand."""

import gzip
import json
from pathlib import Path

import pytest

from command_line import understudy

USAGE = {"promptTokenCount": 8, "candidatesTokenCount": 20, "totalTokenCount": 28}
ANSWER = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": USAGE}
TOTAL = "0.0000524"  # 8 x 0.0000003 + 20 x 0.0000025


def test_the_book_shows_each_price_and_where_it_is_from(tmp_path: Path) -> None:
    done = understudy("price", "book", "gemini/gemini-2.5-flash", "--prices", "frozen", home=tmp_path)
    rows = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()}
    assert rows["input_cost_per_token"] == "0.0000003"
    assert rows["output_cost_per_token"] == "0.0000025"
    found = json.loads(understudy("price", "book", "gemini/gemini-2.5-flash", "--json", home=tmp_path).stdout)
    assert found["prices"]["input_cost_per_token"]["from"]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(ANSWER),
        f"data: {json.dumps(ANSWER)}\r\n\r\n",
        json.dumps([ANSWER]),
    ],
)
def test_an_answer_is_explained_whatever_its_framing(body: str, tmp_path: Path) -> None:
    (tmp_path / "answer").write_text(body)
    model = ("--model", "vertex_ai/gemini-2.5-flash", "--prices", "frozen", "--location", "global")
    shown = understudy("price", "explain", "answer", *model, home=tmp_path)
    assert ["total", TOTAL] in [line.split() for line in shown.stdout.splitlines()]
    assert shown.stdout.splitlines()[-1] == f"8 x 0.0000003 + 20 x 0.0000025 = {TOTAL}"
    found = json.loads(understudy("price", "explain", "answer", *model, "--json", home=tmp_path).stdout)
    assert (found["cost"], found["known"], len(found["lines"])) == (TOTAL, "exact", 2)


def test_an_answer_without_usage_is_unknown_and_not_free(tmp_path: Path) -> None:
    (tmp_path / "answer").write_text('{"candidates": []}')
    model = ("--model", "gemini/gemini-2.5-flash", "--prices", "frozen")
    shown = understudy("price", "explain", "answer", *model, home=tmp_path)
    assert "total" in shown.stdout and "unknown: " in shown.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["book", "gemini/gemini-2.5-flahs"], "did you mean 'gemini-2.5-flash"),
        (["book", "openai/gpt"], "vertex_ai/NAME"),
        (["book", "gemini/gemini-2.5-flash", "--date", "today"], "YYYY-MM-DD"),
        (["explain", "nosuch", "--model", "gemini/gemini-2.5-flash"], "nosuch: cannot be read"),
        (["check", "nosuch.yaml"], "nosuch.yaml: no such file"),
        (["check", "bad.yaml"], "input_cost_per_tokn"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text('gemini/x:\n  input_cost_per_tokn: "0.1"\n')
    done = understudy("price", *words, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_a_good_price_file_passes_and_wins(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text('gemini/gemini-2.5-flash:\n  input_cost_per_token: "0.5"\n')
    assert "no mistakes" in understudy("price", "check", "good.yaml", home=tmp_path).stdout
    done = understudy("price", "book", "gemini/gemini-2.5-flash", "--prices", "good.yaml", "--json", home=tmp_path)
    assert json.loads(done.stdout)["prices"]["input_cost_per_token"]["value"] == "0.5"


def test_a_session_is_explained_with_its_log_line(tmp_path: Path) -> None:
    messages = (
        {"setup": {"model": "models/gemini-2.5-flash"}},
        {"clientContent": {"turns": [{"parts": [{"text": "hello"}]}]}},
        {"serverContent": {"turnComplete": True}, "usageMetadata": {"promptTokenCount": 8, "responseTokenCount": 20}},
    )
    (tmp_path / "session").write_text("\n".join(json.dumps(message) for message in messages))
    model = ("--model", "gemini/gemini-2.5-flash", "--prices", "frozen")
    shown = understudy("price", "explain", "session", *model, home=tmp_path).stdout.splitlines()
    # 8 x 0.0000003 + 20 x 0.0000025
    assert shown[-1] == (
        "Gemini Live WebSocket session cost: $0.000052 (input: $0.000002, output: $0.000050) "
        "tokens: 28, characters: 5, duration: 0.0s"
    )
    found = json.loads(understudy("price", "explain", "session", *model, "--json", home=tmp_path).stdout)
    assert (found["kind"], found["cost"], found["log_line"]) == ("bidiGenerateContent", TOTAL, shown[-1])


def test_a_finished_video_is_explained_by_what_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "done").write_bytes(
        gzip.compress(b'{"name":"o","done":true,"response":{"videos":[{"gcsUri":"gs://b/o"},{"gcsUri":"gs://b/p"}]}}')
    )
    (tmp_path / "asked").write_text('{"parameters":{"durationSeconds":6}}')
    (tmp_path / "prices.yaml").write_text('vertex_ai/veo:\n  output_cost_per_second: "0.5"\n')
    words = ("price", "explain", "done", "--model", "vertex_ai/veo", "--prices", "prices.yaml", "--json")
    found = json.loads(understudy(*words, "--request", "asked", home=tmp_path).stdout)
    assert (found["cost"], found["known"], found["formula"]) == ("6", "exact", "12 x 0.5 = 6")
    found = json.loads(understudy(*words, home=tmp_path).stdout)
    assert (found["cost"], found["known"]) == ("8", "estimated")  # 2 videos of 8 s, for want of a request
