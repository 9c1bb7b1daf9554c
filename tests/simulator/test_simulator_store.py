"""Resources by scope, in pages, until they expire."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from understudy_simulator.store import Resource, Store, page_of

START = datetime(2026, 1, 1, tzinfo=UTC)


class Time:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


def resource(name, expires=None, **value):
    return Resource(name, {"name": name, **value}, START, expires)


def test_scopes_see_their_own_and_the_default_one_finds_by_name():
    store = Store(Time())
    store.shelf("a").put(resource("files/1"))
    assert store.shelf("a").find("files/1") is not None
    assert store.shelf("b").find("files/1") is None
    assert store.shelf("").find("files/1") is not None
    assert store.shelf("").of("files") == ()


def test_a_change_and_a_removal_from_the_default_scope_reach_the_owner():
    store = Store(Time())
    store.shelf("a").put(resource("files/1", size=1))
    found = store.shelf("").find("files/1")
    assert found is not None
    store.shelf("").change(found.showing(size=2))
    again = store.shelf("a").find("files/1")
    assert again is not None and again.value["size"] == 2
    assert store.shelf("").of("files") == ()
    assert store.shelf("").remove("files/1") is not None
    assert store.shelf("a").find("files/1") is None


def test_what_expired_is_gone():
    time = Time()
    store = Store(time)
    shelf = store.shelf("")
    shelf.put(resource("files/1", START + timedelta(seconds=10)))
    time.now = START + timedelta(seconds=9)
    assert shelf.find("files/1") is not None and len(shelf.of("files")) == 1
    time.now = START + timedelta(seconds=10)
    assert shelf.find("files/1") is None and shelf.of("files") == ()


def test_what_expired_is_let_go_of_in_all_scopes_with_the_next_request():
    time, gone = Time(), list[str]()
    store = Store(time, gone.append)
    for scope, name, seconds in (("a", "files/1", 20), ("b", "files/2", 10), ("b", "files/3", 30)):
        ends = START + timedelta(seconds=seconds)
        store.shelf(scope).put(Resource(name, {}, START, ends, hidden=name))
    store.shelf("a").put(Resource("files/4", {}, START, None, hidden="files/4"))
    time.now = START + timedelta(seconds=9)
    store.shelf("c")
    assert gone == []
    time.now = START + timedelta(seconds=20)
    store.shelf("c")
    assert sorted(gone) == ["files/1", "files/2"]
    time.now = START + timedelta(seconds=30)
    store.shelf("c")
    store.shelf("c")
    assert sorted(gone) == ["files/1", "files/2", "files/3"]
    assert [found.name for found in store.forget(None)] == ["files/4"]


def test_a_resource_that_was_prolonged_is_not_let_go_of():
    time, gone = Time(), list[str]()
    store = Store(time, gone.append)
    shelf = store.shelf("")
    shelf.put(Resource("files/1", {}, START, START + timedelta(seconds=1), hidden="old"))
    shelf.put(Resource("files/1", {}, START, START + timedelta(seconds=5), hidden="new"))
    time.now = START + timedelta(seconds=2)
    assert store.shelf("").find("files/1") is not None
    assert gone == []
    time.now = START + timedelta(seconds=5)
    assert store.shelf("").find("files/1") is None
    assert gone == ["new"]


def test_collections_are_not_mixed_up():
    shelf = Store(Time()).shelf("")
    for name in ("stores/s", "stores/s/documents/d", "stores/s2", "projects/p/locations/l/stores/s"):
        shelf.put(resource(name))
    assert [found.name for found in shelf.of("stores")] == ["stores/s", "stores/s2"]
    assert [found.name for found in shelf.below("stores/s")] == ["stores/s/documents/d"]


def test_forgetting_gives_back_what_was_kept():
    store = Store(Time())
    store.shelf("a").put(resource("files/1"))
    store.shelf("b").put(resource("files/2"))
    assert [found.name for found in store.forget("a")] == ["files/1"]
    assert [found.name for found in store.forget(None)] == ["files/2"]
    assert store.forget("a") == ()


def test_showing_replaces_adds_and_takes_away():
    shown = resource("x", old=1, gone=2).showing(old=3, new=4, gone=None)
    assert shown.value == {"name": "x", "old": 3, "new": 4}


@given(count=st.integers(0, 30), size=st.integers(0, 12))
def test_pages_together_are_the_whole(count, size):
    items = [resource(f"files/{number}") for number in range(count)]
    seen, token = [], ""
    while True:
        page = page_of(items, str(size), token, usual=5, most=10)
        assert page is not None and len(page.resources) <= min(size or 5, 10)
        seen += page.resources
        token = page.following
        if not token:
            break
    assert seen == items


@given(st.text(max_size=30))
def test_strange_sizes_and_tokens_never_raise(text):
    page_of([resource("files/1")], text, text, usual=5, most=10)


def test_a_page_without_anything_is_an_empty_answer():
    page = page_of([], "", "", usual=5, most=10)
    assert page is not None and page.value("files") == {}
    assert page_of([], "x", "", usual=5, most=10) is None
    assert page_of([], "", "no token", usual=5, most=10) is None
