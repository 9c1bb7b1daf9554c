"""Quotas as they are written on a command line."""

import pytest

from understudy.errors import ConfigError
from understudy_simulator.quota_words import quota_rule
from understudy_simulator.quotas import QuotaRule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("requests=10", QuotaRule("requests", 10)),
        ("requests/day=10", QuotaRule("requests", 10, "day")),
        ("gemini-2.5-*:tokens/minute=1000", QuotaRule("tokens", 1000, model="gemini-2.5-*")),
        ("sessions=3", QuotaRule("sessions", 3)),
        ("claude@1:requests=1", QuotaRule("requests", 1, model="claude@1")),
    ],
)
def test_what_is_written_is_meant(text, rule):
    assert quota_rule(text) == rule


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("requests", "wanted [MODEL:]KIND[/SPAN]=LIMIT"),
        ("request=1", "did you mean 'requests'?"),
        ("requests/days=1", "did you mean 'day'?"),
        ("sessions/day=1", "sessions are not per time"),
        ("requests=0", "above zero, not '0'"),
        ("requests=many", "not 'many'"),
    ],
)
def test_mistakes_are_named(text, why):
    with pytest.raises(ConfigError) as caught:
        quota_rule(text)
    assert why in str(caught.value) and text in str(caught.value)
