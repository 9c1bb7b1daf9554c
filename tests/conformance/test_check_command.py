"""`understudy check` with what people get wrong: said before anything is started, with exit status 2."""

from pathlib import Path

import pytest

from command_line import understudy

URL = "http://127.0.0.1:1"
DEVIATION = "name: mine\nfeatures: [gemini]\ndeviations:\n  - {check: HDR-99, reason: so}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("http://[::1", "--key", "k"), "http://[::1"),
        (("http://user:pass@host", "--key", "k"), "no user, query or fragment"),
        ((URL, "http://other"), "one gateway at a time"),
        ((URL,), "target understudy has keys"),
        ((URL, "--key", ""), "visible ASCII"),
        ((URL, "--key", "a\r\nX-Evil: 1"), "visible ASCII"),
        ((URL, "--key", "@none"), "cannot be read"),
        ((URL, "--key", "k", "--report", "junit=/no/such/folder/x.xml"), "nothing can be written there"),
        ((URL, "--key", "k", "--report", "html=x"), "json, junit"),
        ((URL, "--key", "k", "--price-book", "fresh"), "frozen or shipped"),
        ((URL, "--key", "k", "--check", "HDR-4/x-pas-host"), "did you mean 'HDR-4/x-pass-host'"),
        ((URL, "--key", "k", "lve"), "no scenario of these checks"),
        (("--target", "nginx"), "give its URL"),
        ((URL, "--target", "deviating.yaml"), "there is no such check (did you mean 'HDR-"),
    ],
)
def test_a_mistake_is_told_in_its_own_words(tmp_path: Path, arguments: tuple[str, ...], said: str):
    (tmp_path / "deviating.yaml").write_text(DEVIATION)
    result = understudy("check", *arguments, home=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr and "Traceback" not in result.stderr
    assert "pass@" not in result.stderr


def test_nothing_that_listens_is_exit_status_3(tmp_path: Path):
    result = understudy("check", URL, "--key", "k", "--simulator-port", "0", home=tmp_path)
    assert result.returncode == 3
    assert "reached the simulator" in result.stderr and "Traceback" not in result.stderr


def test_a_dry_run_plays_nothing(tmp_path: Path):
    result = understudy("check", "--dry-run", "--target", "direct", "--check", "HDR-4", home=tmp_path)
    assert result.returncode == 0
    assert "HDR-4/x-pass-host" in result.stdout and "x-pass" in result.stdout


def test_our_own_gateway_has_the_price_book_that_is_named(tmp_path: Path):
    words = ("--simulator-port", "0", "--report", "json=report.json")
    arguments = ("check", "probe/cost/thoughts", "probe/cost/live-gemini", "--check", "COST")
    for more, passed, skipped in (((), 2, 0), (("--price-book", "shipped"), 1, 1)):
        # Google's prices do not know the model of the Live probe any more.
        result = understudy(*arguments, *words, *more, home=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
        assert f"{passed} passed" in result.stderr + result.stdout
        assert ("the price book does not say what it costs" in result.stdout + result.stderr) == bool(skipped)
