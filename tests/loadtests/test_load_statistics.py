"""Added latency and its interval: right on known differences, the same for the same seed, silent without samples."""

from hypothesis import given
from hypothesis import strategies as st

from understudy.load.histogram import Histogram, merged
from understudy.load.seeded import Seeded
from understudy.load.statistics import estimates


def histogram(samples: list[int]) -> Histogram:
    found = Histogram()
    for sample in samples:
        found.record(sample / 1_000_000)
    return found


def noisy(blocks: int, each: int, added: int, seed: int) -> list[tuple[Histogram, Histogram]]:
    """Blocks of samples of about 1 ms; the second arm is later by `added` microseconds."""
    draw = Seeded(seed)

    def sample(more: int) -> int:
        return 1000 + draw.below(200) + more

    return [
        (histogram([sample(0) for _ in range(each)]), histogram([sample(added) for _ in range(each)]))
        for _ in range(blocks)
    ]


BLOCKS = st.lists(
    st.tuples(st.lists(st.integers(0, 10_000), max_size=6), st.lists(st.integers(0, 10_000), max_size=6)), max_size=5
)


@given(BLOCKS, st.integers(0, 2**32))
def test_the_difference_is_that_of_the_merged_quantiles(raw: list[tuple[list[int], list[int]]], seed: int) -> None:
    blocks = [(histogram(direct), histogram(through)) for direct, through in raw]
    full = [pair for pair in blocks if pair[0].count and pair[1].count]
    found = estimates(blocks, (0.5, 0.9), seed, rounds=20)
    assert len(found) == (2 if full else 0)
    for estimate in found:
        direct = merged(pair[0] for pair in full).quantile(estimate.quantile)
        through = merged(pair[1] for pair in full).quantile(estimate.quantile)
        assert (estimate.direct_us, estimate.through_us) == (direct, through)
        assert estimate.low_us <= estimate.high_us
        assert estimate.blocks == len(full)


def test_a_known_difference_lies_in_a_narrow_interval() -> None:
    for estimate in estimates(noisy(30, 40, 500, 1), (0.5, 0.9), 2):
        assert estimate.low_us <= 500 <= estimate.high_us
        assert estimate.half_width_us < 60


def test_without_a_difference_zero_lies_in_the_interval_about_as_often_as_it_should() -> None:
    hits = 0
    for seed in range(200):
        [estimate] = estimates(noisy(20, 10, 0, seed), (0.5,), seed, rounds=100)
        hits += estimate.low_us <= 0 <= estimate.high_us
    # 95 % are promised; 200 trials tell that apart from less than 90.
    assert hits >= 180


def test_blocks_that_differ_among_themselves_widen_the_interval() -> None:
    steady = noisy(20, 30, 500, 5)
    # In every other block both arms stall, the one through the gateway more.
    stalled = [pair if n % 2 else noisy(1, 30, 3000, n)[0] for n, pair in enumerate(steady)]
    [calm], [rough] = estimates(steady, (0.5,), 1), estimates(stalled, (0.5,), 1)
    assert rough.half_width_us > 3 * calm.half_width_us


def test_the_same_seed_gives_the_same_interval() -> None:
    blocks = noisy(15, 10, 100, 9)
    assert estimates(blocks, (0.5, 0.9), 4) == estimates(blocks, (0.5, 0.9), 4)


def test_samples_are_those_of_the_arm_that_has_fewer_and_half_empty_blocks_do_not_count() -> None:
    blocks = [(histogram([1, 2, 3]), histogram([4])), (histogram([9]), histogram([]))]
    [found] = estimates(blocks, (0.5,), 1)
    assert (found.samples, found.blocks, found.added_us) == (1, 1, 2)
