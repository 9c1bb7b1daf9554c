"""The table of routes: what paths lead where."""

import pytest

from understudy_simulator.call import Json
from understudy_simulator.routing import Route, Router
from understudy_simulator.surfaces.table import ROUTES


def handled(call):
    return Json({})


def router(*routes):
    return Router(routes)


def found(routes, method, path):
    matched = router(*routes).find(method, path)
    return None if matched is None else (matched.route.pattern, matched.service, matched.version, dict(matched.names))


GENERATE = Route("POST", "models/{model}:generateContent", handled, "gemini")
VERTEX = Route("POST", "publishers/{publisher}/models/{model}:rawPredict", handled, "vertex")
CACHES = Route("GET", "cachedContents/{cache}", handled)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/v1beta/models/m:generateContent", {"model": "m"}),
        ("/v1/models/m%3AgenerateContent", {"model": "m"}),
        ("//models/m:generateContent", {"model": "m"}),
        ("/v1alpha/models/a%2Fb:generateContent", {"model": "a/b"}),
    ],
)
def test_versions_are_optional_and_names_are_decoded(path, names):
    seen = found((GENERATE,), "POST", path)
    assert seen is not None and seen[3] == names


@pytest.mark.parametrize(
    ("path", "project"),
    [
        ("/v1/projects/p/locations/l/publishers/anthropic/models/claude@1:rawPredict", "p"),
        ("/v1beta1/publishers/anthropic/models/claude@1:rawPredict", None),
        ("/v1/projects/None/locations/None/publishers/anthropic/models/claude@1:rawPredict", None),
    ],
)
def test_vertex_with_and_without_a_project(path, project):
    matched = router(VERTEX).find("POST", path)
    assert matched is not None and (matched.service, matched.project) == ("vertex", project)
    assert dict(matched.names) == {"publisher": "anthropic", "model": "claude@1"}


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/v1beta/cachedContents/c", "gemini"),
        ("/v1/cachedContents/c", "gemini"),
        ("/v1beta1/cachedContents/c", "vertex"),
        ("/v1/projects/p/locations/l/cachedContents/c", "vertex"),
    ],
)
def test_the_version_or_the_project_says_which_service(path, service):
    matched = router(CACHES).find("GET", path)
    assert matched is not None and matched.service == service


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1beta/models/m:generateContent"),
        ("POST", "/v1beta/models/m"),
        ("POST", "/v1beta/models/m:generate"),
        ("POST", "/v1beta/models/:generateContent"),
        ("POST", "/v1beta/models/m/x:generateContent"),
        ("POST", "/v1beta"),
        ("POST", "/"),
        ("POST", "/v1beta/projects/p/locations/l/models/m:generateContent"),
    ],
)
def test_what_no_route_has(method, path):
    assert found((GENERATE, VERTEX, CACHES), method, path) is None


def test_uploads_have_routes_of_their_own_wherever_the_version_stands():
    upload, plain = Route("POST", "upload/files", handled), Route("POST", "files", handled)
    for path, pattern in (
        ("/upload/v1beta/files", "upload/files"),
        ("/v1beta/upload/files", "upload/files"),
        ("/v1beta/files", "files"),
    ):
        seen = found((upload, plain), "POST", path)
        assert seen is not None and seen[0] == pattern


def test_a_literal_segment_comes_before_a_variable_one_and_the_rest_of_a_path_last():
    routes = (
        Route("GET", "files/{file...}", handled),
        Route("GET", "files/{file}", handled),
        Route("GET", "files/all", handled),
    )
    for path, pattern in (("all", "files/all"), ("x", "files/{file}"), ("x/y", "files/{file...}")):
        seen = found(routes, "GET", f"/v1/files/{path}")
        assert seen is not None and seen[0] == pattern
    seen = found(routes, "GET", "/v1/files/http://h/v1/files/abc")
    assert seen is not None and seen[3] == {"file": "http://h/v1/files/abc"}


def test_a_route_of_one_version_is_absent_from_the_others():
    tokens = Route("POST", "auth_tokens", handled, "gemini", versions=("v1alpha",))
    assert found((tokens,), "POST", "/v1alpha/auth_tokens") is not None
    assert found((tokens,), "POST", "/v1beta/auth_tokens") is None


def test_two_routes_of_one_place_are_a_mistake():
    with pytest.raises(ValueError, match="two routes: POST models"):
        router(GENERATE, Route("POST", "models/{m}:generateContent", handled))


def test_the_shipped_table_is_sound():
    assert Router(ROUTES).find("POST", "/v1beta/models/m:generateContent") is not None
    for route in ROUTES:
        assert (route.handler is None) != (route.upload is None), route.pattern
