"""`understudy price`: the frozen book's numbers, worked out by hand."""

import json
from pathlib import Path

import pytest

from command_line import understudy

USAGE = {"promptTokenCount": 8, "candidatesTokenCount": 20, "totalTokenCount": 28}
ANSWER = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": USAGE}
TOTAL = "0.0000524"  # 8 x 0.0000003 + 20 x 0.0000025


def test_the_book_shows_each_price_and_where_it_is_from(tmp_path: Path) -> None:
    done = understudy("price", "book", "gemini/gemini-2.5-flash", "--prices", "frozen", home=tmp_path)
    rows = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines() if line}
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
        (["book", "gemini-2.5-flash", "--provider", "openai"], "vertex_ai/NAME"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    done = understudy("price", *words, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1
