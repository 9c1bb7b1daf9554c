"""What surfaces of resources share: filters of lists, update masks, spellings, bytes, and where a resource is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from description_strategies import valid_value
from hypothesis import given
from hypothesis import strategies as st

from strategies import dear
from understudy.scenario.json_subset import snake_case
from understudy_simulator.canonical import canonical
from understudy_simulator.field_masks import masked
from understudy_simulator.google_errors import GoogleError
from understudy_simulator.kept_bytes import KeptBytes, KeptFile, bytes_of, twin_of
from understudy_simulator.list_filters import filter_of
from understudy_simulator.long_running import status_of
from understudy_simulator.store import Resource, Store
from understudy_simulator.validation.answers import answer_mistakes
from understudy_simulator.validation.described import Descriptions
from understudy_simulator.validation.loading import descriptions

NOW = datetime(2026, 5, 1, tzinfo=UTC)
VALUE = {"displayName": "a AND b", "state": "DONE", "count": 3, "isOld": True, "labels": {"tune-type": "sft"}}


def leaves(text: str) -> bool | None:
    wanted = filter_of(text)
    return None if wanted is None else wanted(Resource("x", VALUE, NOW))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("state=DONE", True),
        ('state = "DONE"', True),
        ("state!=DONE", False),
        ("NOT state=DONE", False),
        ("-state=DONE", False),
        ("none=1", False),
        ("NOT none=1", True),
        ('display_name="a AND b"', True),
        ('displayName:"and"', True),
        ("labels.tune-type:*", True),
        ("labels:*", True),
        ("labels.other:*", False),
        ("labels.tune-type.more:*", False),
        ("count=3 is_old=true", True),
        ("count=4 OR state=DONE", True),
        ("state=DONE AND count=4 OR count=5", False),
        ("count=4 OR state=DONE AND isOld=true", True),
        ("count>2", True),
        ("count<=2", False),
        ("(state=DONE)", None),
        ("state", None),
        ("state=DONE AND", None),
        ("state=(DONE)", None),
        ("AND", None),
    ],
)
def test_filters(text: str, expected: bool | None):
    assert leaves(text) is expected


@given(st.text(alphabet='ab=:*" ANDOR().-', max_size=40))
def test_no_filter_breaks(text: str):
    assert leaves(text) in (True, False, None)


def test_masks_choose_among_what_may_be_changed():
    body = {"displayName": "n", "description": "d", "name": "x"}
    free = frozenset({"displayName", "description", "labels"})
    assert masked(body, "", free) == {"displayName": "n", "description": "d"}
    assert masked(body, "*", free) == masked(body, "", free)
    assert masked(body, "display_name", free) == {"displayName": "n"}
    assert masked(body, "displayName, labels.a", free) == {"displayName": "n", "labels": None}
    assert masked(body, "name", free) == {}


def snaked(described: Descriptions, message: str, value: Any) -> Any:
    """The same message as a client that writes snake_case would send it."""
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    for name, inner in value.items():
        field = described.messages.get(message, {}).get(name)
        if field is None:
            result[name] = inner
        elif field.shape == "many":
            result[snake_case(name)] = [snaked(described, field.type, item) for item in inner]
        elif field.shape == "map":
            result[snake_case(name)] = {key: snaked(described, field.type, item) for key, item in inner.items()}
        else:
            result[snake_case(name)] = snaked(described, field.type, inner)
    return result


@pytest.mark.parametrize(
    ("service", "message"),
    [("gemini", "TunedModel"), ("gemini", "BatchGenerateContentRequest"), ("vertex", "TuningJob")],
)
@dear(4)
@given(st.data())
def test_spellings_do_not_matter(service: Any, message: str, data: st.DataObject):
    described = descriptions(service, "")
    value = data.draw(valid_value(described, message, 2))
    plain = canonical(described, message, value)
    assert canonical(described, message, snaked(described, message, plain)) == plain
    assert canonical(described, message, plain) == plain
    assert answer_mistakes(described, message, plain) == ()


def test_free_form_members_keep_their_spelling_and_null_is_unset():
    described = descriptions("vertex", "v1beta1")
    body = {"display_name": None, "labels": {"my_label": "x"}, "model_parameters": {"max_tokens": 1}, "odd_one": 2}
    found = canonical(described, "BatchPredictionJob", body)
    assert found == {"labels": {"my_label": "x"}, "modelParameters": {"max_tokens": 1}, "odd_one": 2}


def test_bytes_are_found_where_there_are_some():
    assert bytes_of(KeptBytes(b"abc")) == bytes_of(b"abc") == b"abc"
    assert KeptBytes(b"abc").size == 3
    assert bytes_of(None) is None


def test_bytes_of_a_file_have_a_twin_that_outlives_them(tmp_path: Path):
    path = tmp_path / "1"
    path.write_bytes(b"abc")
    first = KeptFile(path, 3)
    second = twin_of(first, "a")
    assert isinstance(second, KeptFile)
    # Where there can be no second name the bytes are kept in memory: here one of that mark is there.
    assert twin_of(first, "a") == KeptBytes(b"abc")
    first.discard()
    assert bytes_of(first) is None
    assert (bytes_of(second), second.size) == (b"abc", 3)
    assert twin_of(KeptBytes(b"x"), "a") == KeptBytes(b"x")


def test_a_status_has_the_number_of_google_rpc():
    assert status_of(GoogleError(404, "gone")) == {"code": 5, "message": "gone"}
    assert status_of(GoogleError(400, "no", name="FAILED_PRECONDITION"))["code"] == 9
    assert status_of(GoogleError(400, "no", ({"@type": "x"},)))["details"] == [{"@type": "x"}]


def test_the_home_of_a_resource_is_the_shelf_that_has_it():
    store = Store(lambda: NOW)
    store.shelf("a").put(Resource("s/1", {}, NOW))
    store.shelf("a").put(Resource("s/1/d/1", {}, NOW, NOW + timedelta(hours=1)))
    assert [resource.name for resource in store.shelf("").home_of("s/1").of("s/1/d")] == ["s/1/d/1"]
    assert store.shelf("b").home_of("s/1").of("s/1/d") == ()
