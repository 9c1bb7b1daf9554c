"""URL: the path and query that the provider gets, and whom they can lead to."""

from typing import Final

from .model import Mutant, Row, held, must, mutant, should

ROWS: Final[tuple[Row, ...]] = (
    must("URL-1", "Below the prefix the path goes on byte for byte; nothing in it is decoded, folded or resolved."),
    must("URL-2", "An encoded question mark or hash does not end the path."),
    must("URL-3", "The query goes on byte for byte, less the parameters that carry a credential."),
    must("URL-4", "The provider's credential is a header field and never part of the URL."),
    must("URL-5", "A base URL may have a path of its own, with or without a slash at its end; it stays in front."),
    held(
        must("URL-6", "The gateway can be mounted below a prefix of its own."),
        "open",
        "",
        "There is no setting for it yet.",
    ),
    must(
        "URL-7", "No path leads to another scheme, host or port, or above the base: 400, or bytes that are passed on."
    ),
    must("URL-8", "The Vertex location chooses among Google's hosts; what is no location is refused."),
    must("URL-9", "Location and project of the path win over the configured ones, and host and path agree."),
    must(
        "URL-10",
        "A short Vertex path is completed with the configured project and location; model cards and express mode stay.",
    ),
    must("URL-11", "The parameter `alt` is the client's: it is not added, removed or changed."),
    must("URL-12", "Seven methods pass; TRACE and CONNECT are a 405 that lists them."),
    must("URL-13", "What a request is for is read from the verb behind the last colon, never from a word in the URL."),
    should("URL-14", "An unknown path is a 404 that names the prefixes, and the provider does not hear of it."),
)

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "path-is-decoded",
        "URL-1 URL-2",
        "routing.py",
        "return provider, path[len(prefix) :]",
        "return provider, unquote_to_bytes(path[len(prefix) :])",
        "test_gateway_http::test_the_target_is_passed_on_byte_for_byte",
    ),
    mutant(
        "double-slashes-are-folded",
        "URL-1 S-28",
        "routing.py",
        "return provider, path[len(prefix) :]",
        'return provider, path[len(prefix) :].replace(b"//", b"/")',
        "test_gateway_http::test_the_target_is_passed_on_byte_for_byte",
    ),
    mutant(
        "query-repeats-are-merged",
        "URL-3",
        "query.py",
        "kept = [piece.raw for piece in pieces if piece.name not in names]",
        "kept = list({piece.name: piece.raw for piece in pieces if piece.name not in names}.values())",
        "test_gateway_http::test_the_target_is_passed_on_byte_for_byte",
    ),
    mutant(
        "credential-in-the-url",
        "URL-4 S-3",
        "http.py",
        "request.method, route.upstream, route.target, headers,",
        'request.method, route.upstream, route.target + b"?key=" + credential[0][1], headers,',
        "test_gateway_http::test_the_request_arrives_as_it_was_sent_but_for_the_credential",
    ),
    mutant(
        "base-path-keeps-its-slash",
        "URL-5",
        "config/accounts.py",
        'parts.path.rstrip("/"))',
        "parts.path)",
        "test_gateway_http::test_the_base_path_of_the_upstream_comes_first",
    ),
    mutant(
        "one-step-above-the-base",
        "URL-7 S-29",
        "routing.py",
        "if depth < 0:",
        "if depth < -1:",
        "test_gateway_routing::test_paths_that_climb_are_refused",
    ),
    mutant(
        "multi-region-eu-is-a-region",
        "URL-8",
        "routing.py",
        'if location in ("us", "eu"):',
        'if location in ("us",):',
        "test_gateway_routing::test_the_vertex_host_follows_the_location",
    ),
    mutant(
        "location-is-matched-at-its-start",
        "URL-8 S-30",
        "routing.py",
        "if location is not None and not LOCATION.fullmatch(location):",
        "if location is not None and not LOCATION.match(location):",
        "test_gateway_routing::test_a_location_that_is_none_is_refused "
        "test_gateway_routing::test_no_location_leads_away_from_google",
    ),
    mutant(
        "host-of-the-default-location",
        "URL-9",
        "routing.py",
        "upstream = _vertex_upstream(account, project, location)\n    return _route(",
        "upstream = _vertex_upstream(account, project, account.location)\n    return _route(",
        "test_gateway_routing::test_the_location_in_the_path_decides_not_the_default",
    ),
    mutant(
        "short-paths-become-v1beta1",
        "URL-10",
        "routing.py",
        "/{version or 'v1'}/projects",
        "/{'v1beta1'}/projects",
        "test_gateway_routing::test_a_short_vertex_path_is_completed",
    ),
    mutant(
        "express-paths-are-completed",
        "URL-10",
        "routing.py",
        'if isinstance(account.source, ApiKey) or rest.startswith("/projects/"):',
        'if rest.startswith("/projects/"):',
        "test_gateway_routing::test_in_express_mode_no_path_is_completed",
    ),
    mutant(
        "alt-is-added",
        "URL-11",
        "routing.py",
        "target=target if query is None else",
        'target=target + b"?alt=sse" if query is None else',
        "test_gateway_requirements_urls::test_alt_is_never_added_removed_or_changed",
    ),
    mutant(
        "patch-does-not-pass",
        "URL-12",
        "routing.py",
        'METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})',
        'METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})',
        "test_gateway_requirements_urls::test_every_method_passes_with_its_body_and_its_answer",
    ),
    mutant(
        "no-allow-field",
        "URL-12",
        "refusals.py",
        "if refusal.status == 405:",
        "if refusal.status == 406:",
        "test_gateway_app::test_trace_and_connect_are_405",
    ),
    mutant(
        "streams-are-told-by-a-word",
        "URL-13",
        "http.py",
        "if route.method in _STREAMING or",
        'if b"stream" in route.target or',
        "test_gateway_requirements_urls::test_a_word_in_the_url_does_not_make_a_stream",
    ),
    mutant(
        "unknown-paths-ask-for-a-key",
        "URL-14",
        "dispatch.py",
        "_PUBLIC: Final = frozenset({Reason.NO_ROUTE, Reason.METHOD_REFUSED,",
        "_PUBLIC: Final = frozenset({Reason.METHOD_REFUSED,",
        "test_gateway_app::test_the_base_url_trap_is_named_even_without_a_key",
    ),
)
