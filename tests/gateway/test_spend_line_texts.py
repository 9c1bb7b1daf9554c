"""Texts of the spend store that are put together by hand say what the plain way says."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from understudy.pricing.cost import Line, Part, lines_json
from understudy_gateway.spend.line_texts import lines_text
from understudy_gateway.spend.record import rfc3339

texts = st.text(st.characters(codec=None, categories=None))  # lone surrogates and control characters too
numbers = st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [Decimal(text) for text in ("-0", "0", "0E-9", "3E-7", "1E+3", "100.0", "0.0000025")]
)
lines = st.builds(Line, st.sampled_from(Part), texts, numbers, texts, numbers, numbers)


@given(st.lists(lines).map(tuple))
def test_lines_are_the_json_of_their_objects(found: tuple[Line, ...]):
    # COST-1: amounts are exact texts
    assert json.loads(lines_text(found)) == json.loads(json.dumps(lines_json(found)))


@given(st.lists(lines, max_size=5).map(tuple), numbers)
def test_lines_of_a_kind_that_is_remembered_have_their_own_numbers(found: tuple[Line, ...], number: Decimal):
    for line in found:
        lines_text((line,))
    others = tuple(Line(one.part, one.what, number, one.unit, -one.unit_price, number) for one in found)
    assert json.loads(lines_text(others)) == json.loads(json.dumps(lines_json(others)))


offsets = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=offsets | st.just(UTC)))
def test_times_are_utc_to_the_millisecond(moment: datetime):
    for one in (moment, moment.replace(microsecond=0)):
        wanted = one.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        assert rfc3339(one) == wanted
