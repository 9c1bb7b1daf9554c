"""The pinned figures of other calculators are still what these say: each is asked again, in its own environment."""

import pytest

from second_opinions.asking import VERSIONS, figures
from second_opinions.measure import figures_of, pinned

pytestmark = [pytest.mark.interop, pytest.mark.other_clients, pytest.mark.timeout(900)]


@pytest.mark.parametrize("who", VERSIONS)
def test_a_calculator_says_what_is_pinned(who: str):
    kept = pinned()[who]
    assert kept.version == VERSIONS[who]
    told = figures_of(figures(who))
    assert {id: figure for id, figure in told.items() if kept.figures.get(id) != figure} == {}
    assert told.keys() == kept.figures.keys()
