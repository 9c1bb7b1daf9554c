"""Latency distributions: quantiles, many draws, and what is wrong in a profile."""

import math
from statistics import NormalDist, fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import ScenarioError
from understudy.library import scenario_ids
from understudy.profiles import latency, latency_names, shipped_latency
from understudy.scenario.latency import (
    LONGEST_S,
    Constant,
    Gamma,
    Load,
    LogNormal,
    Profile,
    Recorded,
    Uniform,
    gamma_share,
    latency_profile,
    quantile,
)

SHARES = [(index + 0.5) / 20_000 for index in range(20_000)]

durations = st.floats(0.001, 100)
distributions = st.one_of(
    st.builds(Constant, durations),
    st.builds(lambda low, width: Uniform(low, low + width), durations, durations),
    st.builds(LogNormal, durations, st.floats(0, 3)),
    st.builds(Gamma, st.floats(0.02, 500), durations),
    st.lists(durations, min_size=1, max_size=30).map(
        lambda found: Recorded(tuple((index / max(len(found) - 1, 1), at) for index, at in enumerate(sorted(found))))
    ),
)
shares = st.floats(0, 1, exclude_max=True)


def profile(**words):
    return latency_profile(words, name="p")


def mistakes(document):
    with pytest.raises(ScenarioError) as caught:
        latency_profile(document, name="p", source="f")
    return [f"{problem.path}: {problem.message}" for problem in caught.value.problems]


# ---- distributions


@given(distributions, shares, shares)
def test_a_greater_share_never_gives_a_shorter_wait(distribution, one, other):
    low, high = sorted((one, other))
    assert 0 <= quantile(distribution, low) <= quantile(distribution, high) * (1 + 1e-9) <= LONGEST_S * 2


@given(st.floats(0.02, 500), st.floats(0.0001, 0.9999))
def test_the_gamma_quantile_is_the_inverse_of_its_function(shape, share):
    assert gamma_share(shape, quantile(Gamma(shape, shape), share)) == pytest.approx(share, abs=1e-6)


def test_gamma_of_shape_one_is_exponential():
    for share in (0.001, 0.1, 0.5, 0.9, 0.999):
        assert quantile(Gamma(1, 2), share) == pytest.approx(-2 * math.log(1 - share), rel=1e-8)


@pytest.mark.parametrize(("shape", "mean"), [(0.5, 0.1), (2, 0.04), (40, 3)])
def test_gamma_has_the_mean_and_spread_that_it_says(shape, mean):
    drawn = [quantile(Gamma(shape, mean), share) for share in SHARES]
    assert fmean(drawn) == pytest.approx(mean, rel=0.01)
    assert stdev(drawn) == pytest.approx(mean / shape**0.5, rel=0.02)


def test_log_normal_has_its_median_and_sigma():
    drawn = [math.log(quantile(LogNormal(0.45, 0.35), share)) for share in SHARES]
    assert fmean(drawn) == pytest.approx(math.log(0.45), abs=1e-6)
    assert stdev(drawn) == pytest.approx(0.35, rel=0.01)
    assert quantile(LogNormal(0.45, 0.35), NormalDist().cdf(1)) == pytest.approx(0.45 * math.exp(0.35))


def test_uniform_and_constant():
    assert [quantile(Uniform(1, 3), share) for share in (0.0, 0.25, 0.5)] == pytest.approx([1, 1.5, 2])
    assert {quantile(Constant(0.2), share) for share in (0.0, 0.3, 0.999)} == {0.2}


def test_what_was_recorded_comes_again_with_lines_between():
    found = profile(gap={"recorded": ["30ms", "10ms", "20ms"]}).gap
    assert [quantile(found, share) for share in (0, 0.25, 0.5, 0.75, 0.9999999)] == pytest.approx(
        [0.01, 0.015, 0.02, 0.025, 0.03]
    )
    found = profile(gap={"quantiles": {"p99": "1s", "p0": "0ms", "p50": "100ms", "p100": "9s"}}).gap
    assert [quantile(found, share) for share in (0.25, 0.5, 0.99, 0.995)] == pytest.approx([0.05, 0.1, 1, 5])


def test_one_recorded_wait_is_always_that():
    assert quantile(profile(gap={"recorded": ["30ms"]}).gap, 0.7) == 0.03


def test_load_makes_waits_longer_evenly():
    load = Load(at=5, factor=3)
    assert [load.times(count) for count in (0, 1, 2, 3, 5, 9)] == [1, 1, 1.5, 2, 3, 5]


# ---- profiles


def test_a_profile_as_written():
    words = {
        "connect": "20ms",
        "first_token": {"log_normal": {"median": "450ms", "sigma": 1}},
        "load": {"at": 8, "factor": 2},
    }
    assert profile(title="t", **words) == Profile(
        "p", connect=Constant(0.02), first_token=LogNormal(0.45, 1.0), load=Load(8, 2.0)
    )


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"gapp": "1s"}, ": unknown key 'gapp' (did you mean 'gap'?)"),
        ({"gap": "1"}, "gap: a duration is a number with its unit, like 120ms, 2s or 1m; found '1'"),
        ({"gap": {"gama": {}}}, "gap: unknown key 'gama' (did you mean 'gamma'?)"),
        ({"gap": {}}, "gap: a wait needs exactly one of"),
        ({"gap": {"uniform": {"low": "2s", "high": "1s"}}}, "gap.uniform: 'high' is below 'low'"),
        ({"gap": {"recorded": []}}, "gap.recorded: must not be empty"),
        ({"gap": {"quantiles": {"p50": "2s", "p90": "1s"}}}, "gap: quantiles grow with their share"),
        (
            {"gap": {"quantiles": {"p50": "2s", "p101": "9s"}}},
            "gap: a quantile is p0 to p100, like p99.9; found 'p101'",
        ),
        ({"gap": {"gamma": {"shape": 0, "mean": "1s"}}}, "gap.gamma.shape: input should be greater than 0.01"),
        ({"load": {"at": 1, "factor": 2}}, "load.at: input should be greater than or equal to 2"),
        ([], ": a mapping is wanted here; found a list"),
    ],
)
def test_what_is_wrong_in_a_profile(document, told):
    assert any(found.startswith(told) for found in mistakes(document)), mistakes(document)


# ---- files


@pytest.mark.parametrize("name", latency_names())
def test_shipped_profiles_are_without_mistakes(name):
    found = shipped_latency(name)
    assert found.name == name
    assert quantile(found.first_token, 0.5) > quantile(found.gap, 0.5) > 0


def test_the_profiles_are_those_of_the_manual_and_no_scenarios():
    assert latency_names() == ("fast", "slow-tail", "typical")
    assert not any(name.startswith("latency/") for name in scenario_ids())


def test_the_tail_is_where_its_name_says():
    slow, typical = shipped_latency("slow-tail").first_token, shipped_latency("typical").first_token
    assert quantile(slow, 0.5) < 2 * quantile(typical, 0.5)
    assert quantile(slow, 0.999) > 10 * quantile(typical, 0.999)


def test_a_profile_by_its_file_with_its_lines(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("title: mine\ngap: 5ms\n")
    assert latency(str(path)) == Profile("mine", gap=Constant(0.005))
    path.write_text("title: mine\ngap: 5\n")
    with pytest.raises(ScenarioError, match=r"mine\.yaml:2: gap"):
        latency(str(path))
    with pytest.raises(ScenarioError, match="did you mean 'typical'"):
        latency("typicl")
