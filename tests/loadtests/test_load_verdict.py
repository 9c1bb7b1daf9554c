"""The decision: by the interval, never by a figure; and what is not known is never held."""

from dataclasses import replace

import pytest

from understudy.load.limits import Limits, parse_limits
from understudy.load.recording import LATENESS, Recording
from understudy.load.schedule import ARMS, WARM_UP
from understudy.load.statistics import Estimate
from understudy.load.verdict import judged, latency_word

ENOUGH = Estimate(0.5, 1000, 3000, 1800, 2200, samples=500, blocks=30)
LIMITS = parse_limits({"generate": {"total": {"added_p50_ms": 5, "added_p90_ms": 10}, "errors_max_share": 0.01}}, "x")


def recording(
    added_s: float, blocks: int = 20, each: int = 10, late_s: float = 0.0001, jitter_s: float = 0.0
) -> Recording:
    found = Recording()
    for block in range(blocks):
        for number in range(each):
            for arm in ARMS:
                more = added_s if arm == "through" else 0.0
                # Whole blocks are shifted, so that they differ from one another.
                wobble = jitter_s * ((block * 7) % 5) * (1 if arm == "through" else -1)
                found.took("generate", "total", arm, block, 0.1 + more + number * 1e-5 + wobble)
                found.took("generate", LATENESS, arm, block, 0.0001)
                found.outcomes("generate", arm).ok += 1
    return found


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(1800, 2200, "held"), (4000, 5000, "held"), (5001, 9000, "over"), (4000, 6000, "inconclusive")],
)
def test_the_interval_decides(low: float, high: float, word: str) -> None:
    assert latency_word("p50", replace(ENOUGH, low_us=low, high_us=high), 5000, 100)[0] == word


def test_what_has_no_budget_is_reported() -> None:
    assert latency_word("p50", ENOUGH, None, 10**9) == ("reported", "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"blocks": 11}, "11 blocks; 12 are needed"), ({"samples": 49}, "49 samples an arm; 50 are needed")],
)
def test_too_little_is_inconclusive(change: dict[str, int], reason: str) -> None:
    assert latency_word("p50", replace(ENOUGH, **change), 5000, 0) == ("inconclusive", reason)


def test_p99_is_judged_from_20000_samples_on() -> None:
    few, many = replace(ENOUGH, samples=19_999), replace(ENOUGH, samples=20_000)
    assert latency_word("p99", few, 1000, 0)[0] == "reported"
    assert latency_word("p99", many, 1000, 0)[0] == "over"


def test_a_generator_later_than_budget_and_effect_judges_nothing() -> None:
    assert latency_word("p50", ENOUGH, 5000, 5001) == ("inconclusive", "the generator was 5.00 ms late")
    over = replace(ENOUGH, through_us=9000, low_us=7000, high_us=9000)
    assert latency_word("p50", over, 5000, 7999)[0] == "over"
    assert latency_word("p50", over, 5000, 8001)[0] == "inconclusive"


def test_a_machine_that_sees_more_than_the_budget_where_there_is_nothing_cannot_judge() -> None:
    word, reason = latency_word("p50", ENOUGH, 5000, 0, noise_us=5001)
    assert word == "inconclusive" and "where there is nothing" in reason


@pytest.mark.parametrize(("added_s", "word", "status"), [(0.001, "held", 0), (0.03, "over", 1)])
def test_a_run_within_its_limits_is_held_and_one_beyond_is_over(added_s: float, word: str, status: int) -> None:
    verdict = judged(recording(added_s), LIMITS, 1)
    assert (verdict.word, verdict.exit_status) == (word, status)


def test_both_arms_alike_are_held() -> None:
    assert judged(recording(0.0), LIMITS, 1).word == "held"


def test_a_starved_run_is_inconclusive() -> None:
    assert judged(recording(0.03, blocks=3), LIMITS, 1).exit_status == 4
    assert judged(Recording(), LIMITS, 1).exit_status == 4


def test_a_partial_run_is_neither_held_nor_over() -> None:
    for added_s in (0.0, 0.03):
        verdict = judged(recording(added_s), LIMITS, 1, is_partial=True)
        assert verdict.exit_status == 4
        assert any("ended early" in note for note in verdict.notes)


def test_a_noisy_pre_run_makes_the_verdict_inconclusive_and_is_told() -> None:
    verdict = judged(recording(0.001), LIMITS, 1, same_arms=recording(0.0, jitter_s=0.01))
    assert verdict.word == "inconclusive"
    assert any("cannot judge" in note for note in verdict.notes)
    assert judged(recording(0.001), LIMITS, 1, same_arms=recording(0.0)).word == "held"


def test_failures_beyond_their_share_are_over_unless_they_fail_straight_too() -> None:
    found = recording(0.001)
    found.outcomes("generate", "through").failures["HTTP 500"] = 10
    assert judged(found, LIMITS, 1).exit_status == 1
    found.outcomes("generate", "direct").failures["HTTP 500"] = 10
    assert judged(found, LIMITS, 1).exit_status == 4


def test_a_conversation_dropped_for_want_of_room_counts_as_failed() -> None:
    found = recording(0.001)
    found.outcomes("generate", "through").dropped = 10
    assert judged(found, LIMITS, 1).exit_status == 1


def test_memory_is_judged_if_it_is_known_and_has_a_budget() -> None:
    limits = replace(LIMITS, memory_growth_mib=5.0)
    assert judged(recording(0.001), limits, 1, growth_mib=6.0).word == "over"
    assert judged(recording(0.001), limits, 1, growth_mib=4.0).word == "held"
    assert judged(recording(0.001), limits, 1).memory is None
    assert judged(recording(0.001), LIMITS, 1, growth_mib=6.0).word == "held"


def test_a_kind_without_limits_is_told() -> None:
    verdict = judged(recording(0.03), Limits(), 1)
    assert verdict.word == "held"
    assert verdict.notes == ("The limits say nothing of generate: reported, not judged.",)


def test_what_is_recorded_in_the_warm_up_does_not_count() -> None:
    found = recording(0.001)
    before = found.as_json()
    found.took("generate", "total", "through", WARM_UP, 60.0)
    assert found.as_json() == before


def test_a_recording_is_given_back_by_its_json() -> None:
    found = recording(0.002, blocks=2)
    found.outcomes("generate", "through").failures["HTTP 500"] = 3
    assert Recording.of_json(found.as_json()).as_json() == found.as_json()


@pytest.mark.parametrize(("failed", "straight", "status"), [(2, 0, 4), (3, 0, 1), (3, 1, 4), (0, 0, 0)])
def test_one_or_two_failures_more_than_without_the_gateway_prove_nothing(
    failed: int, straight: int, status: int
) -> None:
    found = recording(0.001, blocks=20, each=5)
    limits = replace(LIMITS, error_share={"generate": 0.015})
    found.outcomes("generate", "through").failures["reset"] = failed
    found.outcomes("generate", "direct").failures["reset"] = straight
    assert judged(found, limits, 1).exit_status == status
