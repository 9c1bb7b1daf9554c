"""Each broken gateway fails the checks that it should and no other; each check is failed by a broken gateway.

A suite that was never seen to fail proves nothing. What each should fail is played against it over real sockets, and a
share of all else; `make mutants` plays all of it.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import Final

import pytest

from broken_gateways.matrix import (
    Outcome,
    Stand,
    killers,
    played,
    runs_at_once,
    some_pairs,
    stand_of,
    unkilled_checks,
    unknown_checks,
)
from broken_gateways.table import GATEWAYS, MUTANTS
from understudy.conformance.catalogue import CHECKS

AT_ONCE: Final = 3
"""Runs at once: those of a share wait three times as long as they work. Where two workers have tests of this file it is
twice as many, and still what a gateway books must be there within three seconds."""


class Players:
    """Plays the suite against a gateway and, since runs wait more than they work, against the next ones meanwhile."""

    def __init__(self, stand: Stand, pool: Executor) -> None:
        self._stand = stand
        self._pool = pool
        self._playing: dict[str, Future[Outcome]] = {}

    def outcome(self, name: str) -> Outcome:
        """What comes of one gateway."""
        if name not in self._playing:
            at = MUTANTS.index(name)
            for one in MUTANTS[at : at + AT_ONCE]:
                if one not in self._playing:
                    self._playing[one] = self._pool.submit(played, self._stand, one, some_pairs)
        return self._playing[name].result()


@pytest.fixture(scope="module")
def players() -> Iterator[Players]:
    with stand_of(MUTANTS) as stand, runs_at_once(AT_ONCE) as pool:
        yield Players(stand, pool)
        pool.shutdown(cancel_futures=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_gateway_fails_the_checks_that_it_should_and_no_other(players: Players, name: str):
    assert players.outcome(name).deviations() == ()


def test_every_check_is_failed_by_a_broken_gateway():
    assert unkilled_checks() == ()
    assert unknown_checks() == ()


def test_every_broken_gateway_says_what_it_does_wrong():
    sentences = [GATEWAYS[name].sentence for name in MUTANTS]
    assert all(sentence.endswith(".") for sentence in sentences)
    assert sorted(sentences) == sorted(set(sentences))
    assert all(GATEWAYS[name].kills for name in MUTANTS) and not GATEWAYS["honest"].kills


def test_what_is_not_as_it_should_be_is_told():
    kills = GATEWAYS["merges-slashes"].kills
    assert kills == {"URL-1/double-slash"}
    right = Outcome("merges-slashes", dict.fromkeys(kills, "seen"), 1.0)
    assert right.deviations() == ()
    assert Outcome("merges-slashes", {}, 1.0).deviations() == ("did not fail URL-1/double-slash",)
    more = Outcome("merges-slashes", {**right.failed, "URL-3/encodings": "so"}, 1.0)
    assert more.deviations() == ("failed URL-3/encodings: so",)
    by_chance = GATEWAYS["speaks-up"].may_fail
    sure = dict.fromkeys(GATEWAYS["speaks-up"].kills, "seen")
    assert by_chance and not by_chance & sure.keys()
    assert not Outcome("speaks-up", sure, 1.0).deviations()
    assert not Outcome("speaks-up", {**sure, **dict.fromkeys(by_chance, "seen")}, 1.0).deviations()
    assert Outcome("honest", {}, 1.0, "no connection").deviations() == ("could not be judged: no connection",)
    by_check = killers([right, more])
    assert by_check["URL-1/double-slash"] == ["merges-slashes"] * 2 and by_check["URL-3/encodings"] == []
    assert by_check.keys() == {check.id for check in CHECKS}
