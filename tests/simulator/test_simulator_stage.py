"""What is on: scopes and their carriers, arming, playing to the end, resetting."""

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_rig import account, scenario

from understudy.messages import Origin, Request
from understudy.scenario.json_subset import LazyJson
from understudy.scenario.match import Facts
from understudy.secret import Secret
from understudy.surfaces import Surface
from understudy_simulator.auth.gate import Verdict
from understudy_simulator.auth.grants import GOOGLE_AUDIENCE
from understudy_simulator.auth.presented import Presented
from understudy_simulator.clock import ManualClock
from understudy_simulator.settings import SimulatorSettings
from understudy_simulator.stage import Stage

REPLY = {"reply": {"status": 200, "json": {}}}
LIVE = {"surface": "gemini-live", "model": "gemini-live-2.5-flash"}


def stage(**settings):
    return Stage(SimulatorSettings(**settings), ManualClock(), account())


def facts(scope="", method="generateContent", surface=Surface.GEMINI, model="gemini-2.5-flash"):
    return Facts(surface, method, "/v1/x", model, scope=scope, body=LazyJson(b"{}"))


def request(target="/v1/models", header=None, body=b""):
    headers = ((b"X-Understudy-Scope", header),) if header else ()
    return Request("POST", target, headers, body)


def answered_by(on, scope="", **about):
    """The id of the scenario that answers, played one answer further; or the misses."""
    choice = on.choose(facts(scope, **about), {})
    if choice.performance is None:
        return choice.misses
    choice.performance.playback.answer(LazyJson(b"{}"))
    return choice.performance.scenario.id


# ---- scopes


@pytest.mark.parametrize(
    ("target", "scope", "rest"),
    [
        ("/~a/v1/models?x=1", "a", "/v1/models?x=1"),
        ("/~a", "a", "/"),
        ("/~a?x", "a", "/?x"),
        ("/~A.b_c-1//ws/x", "A.b_c-1", "//ws/x"),
        ("/~/v1", "", "/~/v1"),
        ("/~a b/v1", "", "/~a b/v1"),
        ("/v1/~a/models", "", "/v1/~a/models"),
    ],
)
def test_the_path_may_carry_the_scope_and_loses_it(target, scope, rest):
    scoped = stage().scope_of(request(target))
    assert (scoped.scope, scoped.request.target) == (scope, rest)


def test_the_path_goes_before_the_header_and_the_header_before_the_marker():
    on = stage()
    on.arm(scenario([REPLY]), scope="c", carrier="marker")
    body = b'{"x": "hello [[understudy-scope:c]]"}'
    assert on.scope_of(request("/~a/v1", b"b", body)).scope == "a"
    assert on.scope_of(request("/v1", b"b", body)).scope == "b"
    assert on.scope_of(request("/v1", None, body)).scope == "c"
    assert on.scope_of(request("/v1", None, b""), first_message=body).scope == "c"
    assert on.scope_of(request("/v1")).scope == ""


def test_bodies_are_searched_only_if_somebody_said_so():
    on = stage()
    on.arm(scenario([REPLY]), scope="c")
    assert on.scope_of(request(body=b"[[understudy-scope:c]]")).scope == ""


@pytest.mark.parametrize("header", [b"a b", b"x" * 81, b"\xff", b"a/b"])
def test_a_header_that_is_no_name_is_no_scope(header):
    assert stage().scope_of(request(header=header)).scope == ""


def test_a_carrier_that_names_no_scope_is_a_mistake_and_an_empty_header_is_none():
    on = stage()
    on.arm(scenario([REPLY]), scope="c", carrier="marker")
    rule = "is no scope (1 to 80 of A-Z a-z 0-9 . _ -)"
    told = {
        "/~a b/v1": f"the path: 'a b' {rule}",
        b"a b": f"x-understudy-scope: 'a b' {rule}",
        "[[understudy-scope:a b]]": f"the marker: 'a b' {rule}",
    }
    path, header, marker = told
    assert on.scope_of(request(str(path))).mistake == told[path]
    assert on.scope_of(request(header=header)).mistake == told[header]
    assert on.scope_of(request(body=str(marker).encode())).mistake == told[marker]
    assert (on.scope_of(request(header=b"")).scope, on.scope_of(request(header=b"")).mistake) == ("", "")
    assert on.scope_of(request("/~c/v1", b"a b")).mistake == ""


@given(st.from_regex(r"[A-Za-z0-9._-]{1,80}", fullmatch=True), st.binary(max_size=30))
def test_any_name_is_found_by_each_carrier(name, around):
    on = stage()
    on.arm(scenario([REPLY]), scope=name, carrier="marker")
    assert on.scope_of(request(f"/~{name}/v1")).scope == name
    assert on.scope_of(request(header=name.encode())).scope == name
    prefix = around.replace(b"[", b"")
    assert on.scope_of(request(body=prefix + f"[[understudy-scope:{name}]]".encode() + around)).scope == name


# ---- arming


def test_a_scenario_answers_until_it_is_played_to_its_end():
    on = stage()
    on.arm(scenario([REPLY, REPLY]))
    assert answered_by(on) == "test/one"
    assert answered_by(on) == "test/one"
    [miss] = answered_by(on)
    assert "already played to its end" in miss


def test_times_plays_it_again_and_none_without_end():
    on = stage()
    on.arm(scenario([REPLY]), times=2)
    assert [answered_by(on) == "test/one" for _ in range(3)] == [True, True, False]
    on.reset()
    on.arm(scenario([REPLY]), times=None)
    assert {answered_by(on) for _ in range(20)} == {"test/one"}


def test_scopes_keep_apart():
    on = stage()
    on.arm(scenario([REPLY]), scope="a")
    assert answered_by(on, "b") == ()
    assert answered_by(on) == ()
    assert answered_by(on, "a") == "test/one"


def test_what_is_armed_everywhere_answers_after_the_scope_s_own():
    on = stage()
    on.arm(scenario([REPLY], id="test/house"), scope=None, times=None)
    on.arm(scenario([REPLY], id="test/own"), scope="a")
    assert [answered_by(on, "a"), answered_by(on, "a"), answered_by(on, "b")] == [
        "test/own",
        "test/house",
        "test/house",
    ]


def test_the_first_armed_that_fits_answers():
    on = stage()
    on.arm(scenario([REPLY], id="test/first", match={"method": "countTokens"}))
    on.arm(scenario([REPLY], id="test/second"))
    assert answered_by(on) == "test/second"
    assert answered_by(on, method="countTokens") == "test/first"


def test_plain_routes_are_answered_only_by_who_names_them():
    on = stage()
    on.arm(scenario([REPLY], id="test/any"))
    on.arm(scenario([REPLY], id="test/named", match={"method": "get"}))
    choice = on.choose(facts(method="get"), {}, "named")
    assert choice.performance is not None and choice.performance.scenario.id == "test/named"


def test_who_is_not_asked_is_not_said_to_be_played_out():
    on = stage()
    on.arm(scenario([REPLY]))
    [miss] = on.choose(facts(method="get"), {}, "named").misses
    assert miss == "test/one: method: wanted a match that names this method or path, found 'get'"


def test_the_other_scopes_in_which_something_waits_are_named():
    on = stage()
    for scope in ("b", "a", "done", ""):
        on.arm(scenario([REPLY]), scope=scope)
    assert answered_by(on, "done") == "test/one"
    assert (on.armed_elsewhere("b"), on.armed_elsewhere("x")) == (("", "a"), ("", "a", "b"))


def test_each_live_session_plays_anew():
    on = stage()
    on.arm(scenario([{"receive": {"json": {"setup": {}}}}, {"receive": "close"}], **LIVE), times=2)
    about = {"surface": Surface.GEMINI_LIVE, "method": "bidiGenerateContent", "model": "gemini-live-2.5-flash"}
    choices = [on.choose(facts(**about), {}) for _ in range(3)]
    first, second, third = (choice.performance for choice in choices)
    assert first is not None and second is not None and third is None
    assert first.playback is not second.playback


def test_misses_are_the_three_nearest():
    on = stage()
    for number in range(5):
        on.arm(scenario([REPLY], id=f"test/n{number}", model=f"other-{number}"))
    on.arm(scenario([REPLY], id="test/near", match={"call": 7}))
    misses = answered_by(on)
    assert len(misses) == 3
    assert misses[0].startswith("test/near: call: ")


def test_calls_are_counted_in_each_scope():
    on = stage()
    for scope in ("a", "b"):
        on.arm(scenario([REPLY], match={"call": 2}), scope=scope)
    assert [answered_by(on, "a") == "test/one", answered_by(on, "b") == "test/one"] == [False, False]
    assert [answered_by(on, "a"), answered_by(on, "b")] == ["test/one", "test/one"]


@pytest.mark.parametrize("scope", ["a b", "x" * 81, "a/b", "ä"])
def test_a_scope_must_be_a_name(scope):
    with pytest.raises(ValueError, match="scope"):
        stage().arm(scenario([REPLY]), scope=scope)


def test_times_must_be_one_or_more():
    with pytest.raises(ValueError, match="times"):
        stage().arm(scenario([REPLY]), times=0)


# ---- reset and state


def test_reset_of_one_scope_leaves_the_others():
    on = stage()
    for scope in ("a", "b"):
        on.arm(scenario([REPLY]), scope=scope)
        on.recorder.begin_exchange(request(), Origin(scope))
    on.reset("a")
    assert answered_by(on, "a") == ()
    assert answered_by(on, "b") == "test/one"
    assert [exchange.origin.scope for exchange in on.recorder.transcript().exchanges] == ["b"]


def test_reset_of_all_keeps_the_house_s_scenarios_from_their_start():
    on = stage()
    house = scenario([{"reply": {"json": {"n": 1}}}, {"reply": {"json": {"n": 2}}}], id="test/house")
    on.arm(house, scope=None, times=None)
    on.arm(scenario([REPLY]), scope="a")
    answered_by(on, "x")
    on.reset()
    assert on.scopes()[0].armed == ("test/house",)
    assert [state.name for state in on.scopes()] == [""]
    choice = on.choose(facts("a"), {})
    assert choice.performance is not None
    assert "1" in str(choice.performance.playback.answer(LazyJson(b"{}"))[0])


def test_the_house_s_scenarios_are_played_in_each_scope_by_itself():
    on = stage()
    house = scenario([{"reply": {"json": {"n": 1}}}, {"reply": {"json": {"n": 2}}}], id="test/house")
    on.arm(house, scope=None, times=1)
    assert [answered_by(on, scope) for scope in ("a", "b", "a", "b")] == ["test/house"] * 4
    assert "already played to its end" in answered_by(on, "a")[0]
    on.reset("a")
    assert answered_by(on, "a") == "test/house"
    assert "already played to its end" in answered_by(on, "b")[0]


def test_issued_tokens_outlive_every_reset_since_a_gateway_has_cached_one():
    on = stage(auth="issued")
    now = int(on.clock.wall().timestamp())
    claims = {"iss": account().email, "aud": GOOGLE_AUDIENCE, "iat": now, "exp": now + 60}
    signed = jwt.encode(claims, account().private_key_pem.reveal(), algorithm="RS256")
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": signed}
    assert on.gate.exchange(grant, "", "ya29.t").status == 200
    verdicts = []
    for scope in ("a", None):
        on.reset(scope)
        verdicts.append(on.gate.judge(Presented(token=Secret("ya29.t")), is_vertex=True, has_project=True))
    assert verdicts == [Verdict.ADMITTED, Verdict.ADMITTED]


def test_ids_come_from_seed_scope_and_number():
    def ids(seed, scope):
        on = stage(seed=seed)
        return [on.next_identity(scope).response_id for _ in range(3)]

    assert ids(1, "a") == ids(1, "a")
    assert len({*ids(1, "a"), *ids(2, "a"), *ids(1, "b")}) == 9


def test_the_state_of_scopes_says_what_is_on_and_what_is_over():
    on = stage()
    on.arm(scenario([REPLY], id="test/a"), scope="s")
    on.arm(scenario([REPLY], id="test/b", match={"method": "countTokens"}), scope="s")
    on.next_identity("s")
    answered_by(on, "s")
    [default, state] = on.scopes()
    assert default.name == ""
    assert (state.name, state.requests, state.armed, state.played_out) == ("s", 1, ("test/b",), ("test/a",))
