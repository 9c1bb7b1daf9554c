"""The page of the checks says what the catalogue says."""

from pathlib import Path

from understudy.conformance.catalogue import CHECKS
from understudy.conformance.reference import page
from understudy.conformance.target import FEATURES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "checks.md"


def test_the_page_of_the_checks_is_what_the_catalogue_says():
    assert PAGE.read_text("utf-8") == page(), (
        "write it anew: python -m understudy.conformance.reference > docs/reference/checks.md"
    )


def test_every_check_says_what_must_hold_and_where_that_comes_from():
    for check in CHECKS:
        assert check.sentence.endswith("."), check.id
        assert check.reference, check.id


def test_every_feature_that_is_needed_can_be_claimed():
    needed = {feature for check in CHECKS for feature in check.features}
    needed |= {feature for check in CHECKS for probe in check.probes for feature in probe.features}
    assert needed <= FEATURES.keys()
    assert FEATURES.keys() - needed == set()
