import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import raw_headers
from understudy_gateway.headers import for_client, for_live_upstream, for_upstream, holds_key
from understudy_gateway.refusals import Reason, Refusal

KEY = b"sk-0123456789abcdef"

# As S-1 and RFC 9110 7.6.1 have them, and not as the code has: what is forgotten there must be missed here.
KEY_CARRIERS = {
    *(b"authorization", b"x-goog-api-key", b"api-key", b"x-api-key", b"x-litellm-api-key"),
    *(b"ocp-apim-subscription-key", b"proxy-authorization"),
}
HOP_BY_HOP = {
    *(b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te"),
    *(b"trailer", b"transfer-encoding", b"upgrade"),
}
CREDENTIAL = ((b"Authorization", b"Bearer ya29.token"),)


def sent(*fields, **options):
    return for_upstream(tuple(fields), CREDENTIAL, key=KEY, **options)


PASSING = [
    (b"x-goog-user-project", b"p"),
    (b"X-Goog-Api-Client", b"gl-python/3"),
    (b"x-goog-request-params", b"model=a"),
    (b"X-Goog-Upload-Protocol", b"resumable"),
    (b"x-server-timeout", b"60"),
    (b"user-agent", b"x/1"),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"gzip, br"),
    (b"Range", b"bytes=0-1"),
    (b"If-None-Match", b'"x"'),
    (b"Content-Type", b"multipart/form-data; boundary=x"),
    (b"content-encoding", b"gzip"),
    (b"anthropic-beta", b"a"),
    (b"traceparent", b"00-1-2-01"),
    (b"Cookie", b"a=1"),
    (b"cookie", b"b=2"),
    (b"Cookie", b"a=1"),
    (b"x-understudy-scope", b"s"),
    (b"X-Utf8", "é".encode()),
]


def test_end_to_end_fields_pass_in_order_with_case_and_repeats():
    assert sent(*PASSING) == (*PASSING, *CREDENTIAL)


@pytest.mark.parametrize("name", sorted(KEY_CARRIERS))
def test_every_key_carrier_is_removed_whatever_it_holds(name):
    assert sent((name.title(), b"something else"), (b"x", b"y")) == ((b"x", b"y"), *CREDENTIAL)


def test_the_configured_carrier_is_removed_too():
    assert sent((b"X-My-Key", KEY), key_header=b"x-my-key") == CREDENTIAL
    assert sent((b"x-pass-X-My-Key", b"v"), key_header=b"x-my-key") == Refusal(Reason.HEADER_DENIED, "x-pass-x-my-key")


def test_the_clients_own_google_credential_passes_only_in_bring_your_own_mode():
    fields = ((b"Authorization", b"Bearer ya29.mine"), (b"x-goog-api-key", KEY), (b"x-litellm-api-key", KEY))
    assert for_upstream(fields, (), key=KEY, keeps_google=True) == ((b"Authorization", b"Bearer ya29.mine"),)
    assert for_upstream(fields, (), key=KEY) == ()


def test_hop_by_hop_fields_and_those_that_connection_names_stay_behind():
    fields = [(name.title(), b"x") for name in HOP_BY_HOP if name != b"connection"]
    found = sent(
        *fields,
        (b"Connection", b"keep-alive, X-Hop"),
        (b"x-hop", b"1"),
        (b"connection", b"b"),
        (b"B", b"2"),
        (b"c", b"3"),
    )
    assert found == ((b"c", b"3"), *CREDENTIAL)


def test_connection_cannot_remove_what_the_gateway_sets():
    assert sent((b"Connection", b"authorization, host, content-length")) == CREDENTIAL


@pytest.mark.parametrize(
    "name", [b"Host", b"content-length", b"Expect", b"X-LiteLLM-Tags", b"x-litellm-call-id", b"tags"]
)
def test_framing_and_control_fields_stay_behind(name):
    assert sent((name, b"1")) == CREDENTIAL


def test_x_pass_sets_the_field_without_its_prefix():
    assert sent((b"X-Pass-X-Goog-Thing", b"v")) == ((b"X-Goog-Thing", b"v"), *CREDENTIAL)


@pytest.mark.parametrize(
    "name",
    [
        *sorted(KEY_CARRIERS | HOP_BY_HOP),
        *(b"host", b"forwarded", b"x-forwarded-for", b"cookie", b"content-length", b"expect", b"sec-websocket-key"),
        *(
            b"proxy-anything",
            b"x-litellm-tags",
            b"tags",
            b"x-pass-x",
            b"",
            b"x_goog_api_key",
            b"transfer_encoding",
            b"a b",
        ),
    ],
)
def test_x_pass_cannot_set(name):
    found = sent((b"X-PASS-" + name.upper(), b"secret value"))
    assert isinstance(found, Refusal)
    assert (found.reason, found.status) == (Reason.HEADER_DENIED, 400)
    assert "secret" not in found.message


def test_connection_comes_before_x_pass():
    assert sent((b"Connection", b"x-pass-host"), (b"x-pass-host", b"evil")) == CREDENTIAL
    assert sent((b"Connection", b"x-pass-foo"), (b"x-pass-foo", b"1"), (b"x-pass-bar", b"2")) == (
        (b"bar", b"2"),
        *CREDENTIAL,
    )


@pytest.mark.parametrize("value", [KEY, b"a " + KEY + b" b", KEY.replace(b"-", b"%2D"), KEY.replace(b"s", b"%73")])
def test_a_key_that_stands_anywhere_else_is_refused(value):
    assert sent((b"x-trace", value)) == Refusal(Reason.KEY_ELSEWHERE)
    assert holds_key(b"/v1/models/" + value, KEY)


def test_a_key_in_a_fields_name_is_refused():
    assert sent((b"x-" + KEY, b"1")) == Refusal(Reason.KEY_ELSEWHERE)


def test_a_short_key_of_development_is_not_looked_for():
    assert for_upstream(((b"x", b"testing"),), (), key=b"test") == ((b"x", b"testing"),)


@pytest.mark.parametrize("field", [(b"x", b"a\nb"), (b"x", b"a\x00b"), (b"x", b"a\rb"), (b"x y", b"1"), (b"", b"1")])
def test_fields_that_cannot_be_passed_on_are_refused(field):
    assert sent(field) == Refusal(Reason.INVALID_HEADER)


def test_bytes_that_are_no_text_pass():
    fields = ((b"x", b"caf\xe9"), (b"y", b"\xff\xfe"), (b"z", b""))
    assert sent(*fields) == (*fields, *CREDENTIAL)


@pytest.mark.parametrize("evil", [b"\n", b"\r", b"\0", b"\x7f", b"\x01"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_value_among_good_ones_is_refused(place, evil):
    fields = [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]
    fields[place] = (b"d", b"x" + evil)
    assert sent(*fields) == Refusal(Reason.INVALID_HEADER)


control = st.sampled_from(
    [b"Authorization", b"X-Goog-Api-Key", b"api-key", b"x-pass-thing", b"X-Pass-Authorization", b"Connection", b"tags"]
)
anything = st.lists(
    st.tuples(control, st.sampled_from([KEY, b"Bearer " + KEY, b"x-thing", b"authorization", b"v"])), max_size=5
).map(tuple)
heads = st.tuples(raw_headers, anything, raw_headers).map(lambda parts: (*parts[0], *parts[1], *parts[2]))


@given(heads)
def test_the_key_never_leaves_and_there_is_one_credential(fields):
    found = for_upstream(fields, CREDENTIAL, key=KEY)
    if isinstance(found, Refusal):
        return
    assert not any(KEY in name or KEY in value for name, value in found)
    assert [field for field in found if field[0].lower() in KEY_CARRIERS] == list(CREDENTIAL)


@given(heads)
def test_rewriting_twice_is_the_same_as_once(fields):
    once = for_upstream(fields, CREDENTIAL, key=KEY)
    if not isinstance(once, Refusal):
        assert for_upstream(once, CREDENTIAL, key=KEY) == once


@given(raw_headers)
def test_what_is_kept_keeps_its_order_and_repeats(fields):
    found = for_upstream(fields, (), key=KEY)
    if not isinstance(found, Refusal):
        left = iter(fields)
        assert all(any(field == other for other in left) for field in found)
        assert for_client(fields, ()) == tuple(field for field in fields if field in for_client(fields, ()))


# --- to the client ---------------------------------------------------------------------------------------------------

OWN = ((b"x-litellm-call-id", b"1"), (b"x-understudy-request-id", b"1"))


def test_the_providers_fields_come_down_unmerged_and_ours_follow():
    fields = (
        (b"Set-Cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"Date", b"d"),
        (b"Content-Length", b"3"),
        (b"x", b"\xe9"),
    )
    assert for_client(fields, OWN) == (*fields, *OWN)


def test_hop_by_hop_fields_do_not_come_down():
    fields = ((b"Connection", b"close, X-Hop, content-length"), (b"x-hop", b"1"), (b"Transfer-Encoding", b"chunked"))
    assert for_client((*fields, (b"Content-Length", b"1")), ()) == ((b"Content-Length", b"1"),)


def test_a_field_of_the_provider_is_never_overwritten():
    assert for_client(((b"X-LiteLLM-Call-Id", b"theirs"),), OWN) == ((b"X-LiteLLM-Call-Id", b"theirs"), OWN[1])


# --- Live ------------------------------------------------------------------------------------------------------------


def live(*fields, **options):
    return for_live_upstream(tuple(fields), CREDENTIAL, key=KEY, **options)


def test_a_live_handshake_passes_google_fields_and_keeps_origin_cookie_and_websocket_fields_back():
    found = live(
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Key", b"x"),
        (b"Sec-WebSocket-Protocol", b"openai-insecure-api-key." + KEY),
        (b"Origin", b"https://page"),
        (b"Cookie", b"a=1"),
        (b"X-Goog-Api-Client", b"c"),
        (b"User-Agent", b"u"),
    )
    assert found == ((b"X-Goog-Api-Client", b"c"), (b"User-Agent", b"u"), *CREDENTIAL)


def test_the_user_project_is_set_where_the_client_sent_none():
    assert live(user_project=b"p") == ((b"x-goog-user-project", b"p"), *CREDENTIAL)
    own = (b"X-Goog-User-Project", b"mine")
    assert live(own, user_project=b"p") == (own, *CREDENTIAL)
