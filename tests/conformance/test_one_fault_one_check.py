"""A fault that one check judges is no finding of its neighbours: what was seen on real gateways."""

import pytest
from case_builder import case_of, with_status, with_target

from understudy.conformance.catalogue import CHECKS
from understudy.conformance.evidence import bare_target, google_error_flaw
from understudy.messages import Exchange

BY_ID = {check.id: check for check in CHECKS}


def findings(id: str, **changes) -> list[str]:
    check = BY_ID[id]
    return [finding.message for probe in check.probes for finding in check.judge(case_of(probe, **changes))]


def with_key_in_url(exchange: Exchange) -> Exchange:
    mark = "&" if exchange.request.query else "?"
    return with_target(exchange, f"{exchange.request.target}{mark}key=AIza-of-the-gateway")


@pytest.mark.parametrize(
    "id",
    [
        "URL-3/order-and-repeats",
        "URL-3/encodings",
        "URL-3/blank-values",
        "URL-9/location-of-the-path",
        "URL-13/model-named-stream",
        "BODY-2/query_params",
    ],
)
def test_a_credential_in_the_url_is_judged_by_its_own_check_alone(id):
    assert findings("URL-4/no-credential-in-url", change_upstream=with_key_in_url)
    assert findings(id, change_upstream=with_key_in_url) == []


@pytest.mark.parametrize(
    ("target", "bare"),
    [
        ("/a?key=x", "/a"),
        ("/a?b=1&key=x&c", "/a?b=1&c"),
        ("/a?Key=x&access_token=y&b=key", "/a?b=key"),
        ("/a?b&&c=", "/a?b&&c="),
        ("/a", "/a"),
    ],
)
def test_a_target_without_its_credentials(target, bare):
    assert bare_target(target) == bare


def test_a_refusal_with_another_status_admits_nobody():
    def refused(asked):
        return with_status(asked, 400) if asked.ask.key.value is not None else asked

    assert findings("AUTH-4/foreign-credential-neither-helps-nor-harms", change_answer=refused) == []


def test_a_code_that_is_a_text_is_told_as_one():
    body = b'{"error":{"code":"400","message":"no","status":"INVALID_ARGUMENT"}}'
    assert google_error_flaw(body, 400) == "error.code is '400', the HTTP status 400"
