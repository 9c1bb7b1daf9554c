"""The limits file: what it can say, and that each mistake is named with its line and the nearest good word."""

from pathlib import Path

import pytest

from understudy.errors import ConfigError
from understudy.load.files import load_limits
from understudy.load.limits import PHASES, parse_limits


def test_the_shipped_file_has_a_budget_for_every_kind() -> None:
    limits = load_limits(None)
    assert {kind for kind, _, _ in limits.added_us} == set(PHASES) == set(limits.error_share)
    assert limits.memory_growth_mib is not None


def test_budgets_are_read_in_milliseconds() -> None:
    limits = parse_limits(
        {
            "generate": {"total": {"added_p50_ms": 1.5, "added_p99_ms": 20}, "errors_max_share": 0.01},
            "gateway": {"memory_growth_mib": 8},
        },
        "limits.yaml",
    )
    assert limits.added_us == {("generate", "total", "p50"): 1500, ("generate", "total", "p99"): 20_000}
    assert limits.error_share == {"generate": 0.01}
    assert limits.memory_growth_mib == 8


def test_an_unknown_word_is_named_with_its_line_and_the_nearest_one(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("version: 1\nstream:\n  first_bite: {added_p50_ms: 1}\n  gap: {added_p5_ms: 2}\n", "utf-8")
    with pytest.raises(ConfigError) as raised:
        load_limits(file)
    assert str(raised.value).splitlines() == [
        "mine.yaml:3: stream.first_bite: unknown word (did you mean 'first_byte'?)",
        "mine.yaml:4: stream.gap.added_p5_ms: unknown word (did you mean 'added_p50_ms'?)",
    ]
    assert raised.value.exit_status == 2


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "wanted a mapping"),
        ({"version": 2}, "version: wanted 1"),
        ({"generate": 5}, "generate: wanted a mapping"),
        ({"generate": {"total": {"added_p50_ms": "fast"}}}, "wanted a number"),
        ({"generate": {"total": {"added_p50_ms": -1}}}, "wanted a number"),
        ({"generate": {"total": {"added_p50_ms": True}}}, "wanted a number"),
        ({"generate": {"total": {"added_p50_ms": float("nan")}}}, "wanted a number"),
        ({"generate": {"errors_max_share": 1.5}}, "from 0 to 1"),
        ({"veo": {}}, "unknown word"),
        ({"generate": {"setup": {}}}, "unknown word; known are first_byte, total, errors_max_share"),
    ],
)
def test_a_mistake_is_a_config_error(document: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_limits(document, "limits.yaml")


def test_a_file_that_is_not_there_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_limits(tmp_path / "none.yaml")
