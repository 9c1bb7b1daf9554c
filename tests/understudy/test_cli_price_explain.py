"""`understudy price explain` of what is no single answer: a Live session, a finished video."""

import gzip
import json
from pathlib import Path

import pytest

from command_line import understudy

TOTAL = "0.0000524"  # 8 x 0.0000003 + 20 x 0.0000025


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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--method", "generateContnt"), "--method generateContnt: unknown method (did you mean 'generateContent'?)"),
        (("--prices", "shpped"), "shpped: no such price book, and no such file (did you mean 'shipped'?)"),
        (("--prices", "mine.yaml"), "mine.yaml: cannot be read: No such file or directory"),
    ],
)
def test_a_slip_of_the_pen_is_told_with_the_nearest_word(tmp_path: Path, words: tuple[str, str], told: str) -> None:
    (tmp_path / "answer").write_text("{}")
    command = ("price", "explain", "answer", "--model", "gemini/gemini-2.5-flash", *words)
    done = understudy(*command, home=tmp_path)
    assert (done.returncode, told in done.stderr) == (2, True)


def test_of_what_is_unknown_no_sum_is_shown(tmp_path: Path) -> None:
    (tmp_path / "answer").write_text("{}")
    done = understudy("price", "explain", "answer", "--model", "gemini/gemini-2.5-flash", home=tmp_path)
    assert done.stdout.splitlines()[-2:] == ["unknown", "unknown: the answer carried no usage"]
