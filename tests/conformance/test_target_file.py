"""Target files: every word, every mistake at once with its place, keys only from outside, and the shipped profiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.conformance.target import FEATURES, CostSource, Deviation, Target
from understudy.conformance.target_file import parse_target
from understudy.documents import document_of
from understudy.errors import ConfigError, DocumentError
from understudy.surfaces import Surface
from understudy.targets import load_target, target_names

WHOLE = """\
name: my-gateway
version: "2.1"
url: http://localhost:4000
features: [gemini, vertex-live, relay, keys, cost]
prefixes: {gemini: /gemini, vertex-live: /vertex_ai/v2}
key: {env: MY_KEY}
carrier: bearer
vertex_carrier: query
project: p1
location: europe-west4
cost: {kind: json-lines, file: spend.jsonl, id_header: x-id, id: call, amount: usd, known: how, within_s: 5}
price_book: shipped
response_headers: [x-mine, "x-my-*"]
deviations:
  - {check: HDR-2, reason: it copies what Connection names}
  - {check: URL-1/double-slash, reason: collapsed}
"""


def parsed(text: str, **words) -> Target:
    document, lines = document_of(text, "t.yaml")
    return parse_target(document, "t.yaml", lines, **words)


def mistakes(text: str, **words) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parsed(text, **words)
    return [str(problem) for problem in caught.value.problems]


def test_every_word_is_read():
    target = parsed(WHOLE, environ={"MY_KEY": "sk-secret"})
    assert target.key is not None
    assert target.key.reveal() == "sk-secret"
    assert target == Target(
        name="my-gateway",
        features=frozenset({"gemini", "vertex-live", "relay", "keys", "cost"}),
        prefixes={Surface.GEMINI: "/gemini", Surface.VERTEX_LIVE: "/vertex_ai/v2"},
        key=target.key,
        carrier="bearer",
        vertex_carrier="query",
        project="p1",
        location="europe-west4",
        cost=CostSource(
            "json-lines", file="spend.jsonl", id_header="x-id", id="call", amount="usd", known="how", within_s=5
        ),
        price_book="shipped",
        response_headers=("x-mine", "x-my-*"),
        deviations=(
            Deviation("HDR-2", "it copies what Connection names"),
            Deviation("URL-1/double-slash", "collapsed"),
        ),
        version="2.1",
        url="http://localhost:4000",
        source="t.yaml",
    )


def test_what_is_not_said_has_the_defaults_of_a_target():
    plain = Target("g", frozenset({"gemini"}), source="t.yaml")
    assert parsed("{name: g, features: [gemini]}") == plain


def test_all_mistakes_are_told_at_once_with_line_and_place():
    text = """\
featurs: [gemini]
features: [gemini, vertx, 7]
prefixes: {gemini: gemini/, vertexlive: /x}
carrier: barer
cost: {kind: header, file: x.jsonl, within_s: -1}
deviations:
  - {check: hdr-2}
  - {check: HDR-2, reason: " "}
response_headers: ["x y"]
project: 12
price_book: old
url: localhost:4000
"""
    assert mistakes(text) == [
        "t.yaml:1: unknown key 'featurs' (did you mean 'features'?)",
        "t.yaml:1: 'name' is missing",
        "t.yaml:2: features[1]: wanted one of " + ", ".join(FEATURES) + "; found 'vertx' (did you mean 'vertex'?)",
        "t.yaml:2: features[2]: wanted one of " + ", ".join(FEATURES) + "; found 7",
        "t.yaml:3: prefixes: unknown key 'vertexlive' (did you mean 'vertex-live'?)",
        "t.yaml:3: prefixes.gemini: wanted a path that begins with a slash and does not end with one, or ''; "
        "found 'gemini/'",
        "t.yaml:4: carrier: wanted one of x-goog-api-key, bearer, query, x-litellm-api-key; "
        "found 'barer' (did you mean 'bearer'?)",
        "t.yaml:5: cost.file: has no meaning where `kind` is header",
        "t.yaml:5: cost.within_s: wanted seconds, 0 to 60; found -1",
        "t.yaml:7: deviations[0]: 'reason' is missing",
        "t.yaml:7: deviations[0].check: wanted a check, a requirement or an area, such as HDR-4/x-pass-host, HDR-4 "
        "or HDR; found 'hdr-2'",
        "t.yaml:8: deviations[1].reason: a deviation needs its reason in words",
        "t.yaml:9: response_headers[0]: wanted the name of a header field, or a glob; found 'x y'",
        "t.yaml:10: project: a text is wanted here; found 12; put it in quotes",
        "t.yaml:11: price_book: wanted one of frozen, shipped; found 'old'",
        "t.yaml:12: url: wanted the gateway's address, http://HOST:PORT; found 'localhost:4000'",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("features: {}", "features: a list is wanted here; found a mapping"),
        ("cost: {within_s: 3}", "cost: 'kind' is missing"),
        ("cost: json-lines", "cost: a mapping is wanted here; found 'json-lines'"),
        ("cost: {kind: json-lines, within_s: true}", "cost.within_s: wanted seconds, 0 to 60; found true"),
        ("cost: {kind: none, header: x}", "cost.header: has no meaning where `kind` is none"),
        ("cost: {kind: endpoint}", "cost: 'url' is missing: the endpoint's, with {id} where the request's id stands"),
        (
            "cost: {kind: endpoint, url: /spend}",
            "cost.url: wanted a path or an http URL with {id} in it; found '/spend'",
        ),
        ("cost: {kind: endpoint, url: '/s?{id}', file: x}", "cost.file: has no meaning where `kind` is endpoint"),
        (
            "cost: {kind: endpoint, url: '/s?{id}', key: {env: A, file: b}}",
            "cost.key: wanted `env` or `file`; found both",
        ),
        ("deviations: [HDR]", "deviations[0]: a mapping is wanted here; found 'HDR'"),
        ("key: {}", "key: 'env' or 'file' is missing"),
        ("key: {env: A, file: b}", "key: wanted `env` or `file`; found both"),
        ("key: {vault: x}", "key: unknown key 'vault'"),
        ("key: {file: gone.txt}", "key.file: gone.txt: cannot be read: No such file or directory"),
        ("url: http://u:pw@h:1", "url: a URL with a password in it; name the key with `key`"),
    ],
)
def test_a_mistake_is_told_in_words(line, said):
    def no_file(name: str) -> str:
        raise FileNotFoundError(2, "No such file or directory", name)

    start = "name: g\n" + ("" if line.startswith("features") else "features: [gemini]\n")
    assert any(text.endswith(said) for text in mistakes(start + line, read_file=no_file))


def test_costs_that_are_claimed_must_be_shown_somewhere():
    told = mistakes("{name: g, features: [gemini, cost]}")
    assert told == ["t.yaml:1: features: 'cost' is claimed, but `cost` does not say where the costs are shown"]


def test_a_key_is_never_written_into_the_file_nor_shown():
    (told,) = mistakes("name: g\nfeatures: [gemini]\nkey: sk-very-secret")
    assert told == "t.yaml:3: key: a key is not written here; name its variable, {env: NAME}, or its file, {file: PATH}"


def test_a_variable_that_is_not_set_leaves_the_key_to_the_command_line():
    text = "{name: g, features: [gemini], key: {env: MY_KEY}}"
    assert parsed(text, environ={}).key is None
    assert parsed(text, environ={"MY_KEY": ""}).key is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["name", "features", "key", "env", "cost", "kind", "deviations", "check", "prefixes", "url"]
                )
                | st.text(max_size=6),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_no_document_does_more_than_have_mistakes(document):
    try:
        target = parse_target(document)
    except DocumentError as error:
        assert error.problems
    else:
        assert target.name


# -- files


def test_keys_and_costs_of_a_file_lie_beside_it(tmp_path):
    (tmp_path / "key.txt").write_text("sk-from-a-file\n")
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "name: g\nfeatures: [gemini, cost]\nkey: {file: key.txt}\ncost: {kind: json-lines, file: spend.jsonl}\n"
    )
    target = load_target(str(path), {})
    assert target.key is not None
    assert target.key.reveal() == "sk-from-a-file"
    assert target.cost.file == str(tmp_path / "spend.jsonl")
    assert target.source == str(path)


def test_a_file_without_costs_names_none(tmp_path):
    path = tmp_path / "gateway.yml"
    path.write_text("name: g\nfeatures: [gemini, cost]\ncost: {kind: json-lines}\n")
    assert load_target(str(path), {}).cost.file == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        ("a: [", "no YAML"),
        ("name: g\nname: h", "the key 'name' stands here a second time"),
        ("[1]", "a mapping is wanted here; found a list"),
    ],
)
def test_a_file_that_is_none_is_a_mistake_of_the_document(tmp_path, text, said):
    path = tmp_path / "gateway.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DocumentError, match=r"gateway\.yaml") as caught:
        load_target(str(path), {})
    assert said in str(caught.value)
    assert type(caught.value) is DocumentError
    assert caught.value.exit_status == 2


def test_a_name_that_is_none_gets_the_nearest():
    with pytest.raises(ConfigError, match="target ngnix: no shipped target is called so \\(did you mean 'nginx'\\?\\)"):
        load_target("ngnix", {})


def test_the_shipped_targets_are_there_and_whole():
    assert target_names() == ("direct", "litellm", "nginx", "understudy")
    for name in target_names():
        target = load_target(name, {})
        assert (target.name, target.source) == (name, name)
        assert target.key is None, "a shipped target knows no key of its own"
        assert not target.deviations


def test_ours_claims_everything():
    ours = load_target("understudy", {})
    assert ours.features == frozenset(FEATURES)
    assert ours.prefix(Surface.VERTEX_VEO) == "/vertex_ai"
    assert (ours.cost.kind, ours.price_book) == ("json-lines", "frozen")
    assert ours.adds(b"X-Understudy-Request-Id")
    assert not ours.adds(b"server")


def test_the_simulator_itself_has_no_duties_of_an_intermediary():
    assert not load_target("direct", {}).features & {"relay", "keys", "x-pass", "control-headers", "cost"}
    assert load_target("nginx", {}).features - load_target("direct", {}).features == {"relay"}


def test_an_endpoint_has_its_place_its_entries_and_a_key_of_its_own():
    text = """\
name: g
features: [gemini, cost]
cost: {kind: endpoint, url: 'https://admin:9/spend?id={id}', entries: data.rows, key: {env: MASTER}, id: request_id}
"""
    cost = parsed(text, environ={"MASTER": "sk-master"}).cost
    assert (cost.kind, cost.url, cost.entries, cost.id) == (
        "endpoint",
        "https://admin:9/spend?id={id}",
        "data.rows",
        "request_id",
    )
    assert cost.key is not None and cost.key.reveal() == "sk-master"
