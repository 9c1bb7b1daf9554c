"""A transcript goes through JSON and comes back the same, byte for byte."""

import json

import pytest
from hypothesis import given

from strategies import transcripts
from understudy.errors import TargetError
from understudy.transcript_json import from_json, to_json


@given(transcripts)
def test_a_transcript_comes_back_as_it_went(transcript):
    assert from_json(json.loads(json.dumps(to_json(transcript)))) == transcript


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"schema_version": 2},
        {"schema_version": 1},
        {"schema_version": 1, "exchanges": [{}], "sessions": [], "dropped": 0},
        {"schema_version": 1, "exchanges": 3, "sessions": [], "dropped": 0},
    ],
)
def test_another_shape_is_a_target_error(value):
    with pytest.raises(TargetError):
        from_json(value)
