"""Google's error envelope (wire-http 5.1)."""

import pytest

from understudy import rpc_status as rpc


def test_the_usual_name_follows_from_the_status():
    assert rpc.rpc_status(429, "slow down") == {
        "error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}
    }


def test_a_name_of_its_own_and_details_are_kept_in_order():
    details = [rpc.help_links([("d", "u")]), rpc.quota_failure([{"quotaId": "q"}]), rpc.retry_info("2s")]
    error = rpc.rpc_status(400, "m", details, "FAILED_PRECONDITION")["error"]
    assert error["status"] == "FAILED_PRECONDITION"
    assert [d["@type"].rpartition(".")[2] for d in error["details"]] == ["Help", "QuotaFailure", "RetryInfo"]


@pytest.mark.parametrize("name", rpc.HTTP_STATUS)
def test_every_name_has_an_http_status_that_names_it_or_its_family(name):
    assert rpc.HTTP_STATUS[name] in rpc.RPC_NAME


def test_a_violation_at_the_root_has_no_field():
    [root, nested] = rpc.bad_request([(None, "a"), ("x.y", "b")])["fieldViolations"]
    assert root == {"description": "a"}
    assert nested == {"field": "x.y", "description": "b"}


def test_error_info_and_localized_message():
    assert rpc.error_info("R", "d", {"k": "v"}) == {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "R",
        "domain": "d",
        "metadata": {"k": "v"},
    }
    assert "metadata" not in rpc.error_info("R", "d")
    assert rpc.localized_message("m")["locale"] == "en-US"


@pytest.mark.parametrize("body", [{"error": {"code": 1}}, [{"error": {"code": 1}}]])
def test_the_error_is_found_plain_and_wrapped(body):
    assert rpc.error_of(body) == {"code": 1}


@pytest.mark.parametrize("body", [None, 3, "x", [], {}, {"error": 1}, [{"error": {}}, {}]])
def test_what_is_no_error_gives_none(body):
    assert rpc.error_of(body) is None
