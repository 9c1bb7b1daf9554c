import json
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import ConfigError
from understudy.secret import Secret
from understudy_gateway.config import load_config, parse_config
from understudy_gateway.config.words import GENERAL, OURS, PARAMS, VERTEX_CONFIG
from understudy_gateway.config.words import KEY as KEY_WORDS
from understudy_gateway.refusals import Reason
from understudy_gateway.settings import ApiKey, ApplicationDefault, Base, KeyFile, KeyText, Limits, Timeouts

KEY = "sk-0123456789abcdef"
GOOD = {"general_settings": {"master_key": KEY}}
SERVICE_ACCOUNT = json.dumps(
    {
        "type": "service_account",
        "client_email": "a@b",
        "private_key": "PEM",
        "token_uri": "https://oauth2.example/token",
    }
)


def load(tmp_path, text, environ=None):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    path.chmod(0o600)
    return load_config(path, environ or {})


def problems(tmp_path, text, environ=None):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, environ)
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


def errors(mapping, environ=None):
    with pytest.raises(ConfigError) as caught:
        parse_config(mapping, environ or {})
    return str(caught.value).splitlines()


WHOLE = """\
model_list:
  - model_name: gemini-live
    litellm_params:
      model: vertex_ai/gemini-live-2.5-flash
      vertex_project: my-project
      vertex_location: us-central1
      vertex_credentials: os.environ/CREDENTIALS
  - model_name: veo
    litellm_params:
      model: gemini/veo-3.0-generate-preview
      api_key: os.environ/VEO_KEY
      api_base: http://127.0.0.1:8900
general_settings:
  master_key: os.environ/MASTER
  litellm_key_header_name: X-My-Key
  pass_through_request_timeout: 30
litellm_settings:
  drop_params: true
  default_vertex_config:
    vertex_project: other-project
    vertex_location: europe-west4
understudy_settings:
  keys:
    - id: team
      key: sk-team-0123456789
      tags: [a, b]
      models: [gemini-2.5-flash]
      max_budget: 10.5
      rpm_limit: 7
  price_book: frozen
  live_api_version: v1
  response_cost_header: true
  timeouts: {idle_s: 5}
  limits: {message_bytes: 1000}
"""
ENVIRON = {"CREDENTIALS": SERVICE_ACCOUNT, "VEO_KEY": "AIza-veo", "MASTER": KEY}


def test_a_whole_file_is_read(tmp_path):
    config = load(tmp_path, WHOLE, ENVIRON)
    assert [(key.id, key.key.reveal()) for key in config.keys] == [("master", KEY), ("team", "sk-team-0123456789")]
    team = config.keys[1]
    assert (team.tags, team.max_budget, team.rates.rpm) == (("a", "b"), Decimal("10.5"), 7)
    assert [(entry.model, entry.account.id) for entry in config.models] == [
        ("gemini-live-2.5-flash", "model_list[0]"),
        ("veo-3.0-generate-preview", "model_list[1]"),
    ]
    assert (config.vertex.project, config.vertex.location) == ("other-project", "europe-west4")
    assert config.vertex.source == config.models[0].account.source == KeyText(Secret(SERVICE_ACCOUNT))
    assert config.gemini.base == Base("http", "127.0.0.1", 8900)
    assert config.gemini.source == ApiKey(Secret("AIza-veo"))
    assert (config.key_header, config.price_book, config.live_api_version) == ("x-my-key", "frozen", "v1")
    assert (config.timeouts.first_byte_s, config.timeouts.idle_s, config.timeouts.connect_s) == (30.0, 5.0, 10.0)
    assert (config.limits.message_bytes, config.response_cost_header) == (1000, True)
    assert [notice.replace(f"{tmp_path}/", "") for notice in config.notices] == [
        "config.yaml:18: litellm_settings.drop_params: has no effect here",
    ]


def test_secrets_in_files_that_others_may_read_are_told(tmp_path):
    # S-16
    key_file = tmp_path / "key.json"
    key_file.write_text(SERVICE_ACCOUNT)
    text = f"general_settings: {{master_key: MASTER}}\ndefault_vertex_config: {{vertex_credentials: {key_file}}}\n"
    for mode, said in ((0o644, 2), (0o640, 0)):
        key_file.chmod(mode)
        path = tmp_path / "config.yaml"
        path.write_text(text.replace("MASTER", KEY))
        path.chmod(mode)
        assert [notice.partition(":")[0] for notice in load_config(path, {}).notices] == [str(path), str(key_file)][
            :said
        ]
        assert not any(KEY in notice for notice in load_config(path, {}).notices)
    path.write_text(text.replace("MASTER", "os.environ/MASTER"))
    path.chmod(0o644)
    assert load_config(path, {"MASTER": KEY}).notices == ()


def test_secrets_do_not_show(tmp_path):
    shown = repr(load(tmp_path, WHOLE, ENVIRON))
    assert not any(secret in shown for secret in (KEY, "AIza-veo", "sk-team", "service_account"))


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(tmp_path):
    text = """\
model_list:
  - model_name: a
    litellm_params:
      modl: gemini/x
      vertex_project: Not A Project
general_settings:
  master_key: os.environ/NOT_SET
  masterkey: x
understudy_settings:
  price_bok: frozen
  keys:
    - id: team
      kei: x
  live_api_version: v7
  timeouts: {idle: 5}
default_vertex_config:
  vertex_credentials: /nowhere/key.json
  api_base: ftp://x
"""
    assert problems(tmp_path, text) == [
        "config.yaml:3: model_list[0].litellm_params: model is missing",
        "config.yaml:4: model_list[0].litellm_params.modl: unknown word (did you mean 'model'?)",
        "config.yaml:7: general_settings.master_key: the environment variable NOT_SET is not set",
        "config.yaml:8: general_settings.masterkey: unknown word (did you mean 'master_key'?)",
        "config.yaml:10: understudy_settings.price_bok: unknown word (did you mean 'price_book'?)",
        "config.yaml:12: understudy_settings.keys[0]: key is missing",
        "config.yaml:13: understudy_settings.keys[0].kei: unknown word (did you mean 'key'?)",
        "config.yaml:14: understudy_settings.live_api_version: v1 or v1beta1 is wanted",
        "config.yaml:15: understudy_settings.timeouts.idle: unknown word (did you mean 'idle_s'?)",
        "config.yaml:17: default_vertex_config.vertex_credentials: "
        "the file /nowhere/key.json cannot be read: No such file or directory",
        "config.yaml:18: default_vertex_config.api_base: a URL such as https://host or http://host:8900/path is wanted",
    ]


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        ([], "config.yaml: a block of settings is wanted, a list was found"),
        ({"model_list": {}}, "config.yaml: model_list: a list is wanted, a block of settings was found"),
        (
            {"understudy_settings": {"development": 3}},
            "understudy_settings.development: true or false is wanted, a whole number was found",
        ),
        (
            {"understudy_settings": {"limits": {"message_bytes": 1.5}}},
            "message_bytes: a whole number is wanted, a number was found",
        ),
        ({"understudy_settings": {"timeouts": {"idle_s": 0}}}, "timeouts.idle_s: more than 0 seconds are wanted"),
        (
            {"understudy_settings": {"timeouts": {"idle_s": -1}}},
            "timeouts.idle_s: a number that is not negative is wanted",
        ),
        (
            {"general_settings": {"master_key": 12345}},
            "general_settings.master_key: a text is wanted, a whole number was found",
        ),
        ({"modellist": []}, "modellist: unknown word (did you mean 'model_list'?)"),
    ],
)
def test_a_wrong_value_is_named_with_its_place_and_not_repeated(mapping, line):
    found = errors(mapping)
    assert any(line in each for each in found), found
    assert not any("12345" in each for each in found)


def test_words_of_litellm_that_have_no_effect_pass_with_a_notice():
    config = parse_config({**GOOD, "callback_settings": {"x": 1}, "something_else_entirely": 1}, {})
    assert config.notices == (
        "config.yaml: callback_settings: has no effect here",
        "config.yaml: something_else_entirely: has no effect here",
    )


def test_models_of_other_providers_pass_with_a_notice():
    config = parse_config({**GOOD, "model_list": [{"model_name": "x", "litellm_params": {"model": "openai/x"}}]}, {})
    assert config.models == ()
    assert "neither gemini/ nor vertex_ai/" in config.notices[0]


# --- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "the key is empty"),
        ("sk-1234", "the key stands in every guide"),
        ("sk-short", "the key is shorter than 16 characters"),
        ("sk-0123456789abcdéf", "characters that cannot stand in a header"),
    ],
)
def test_weak_keys_are_refused_unless_development(key, said):
    for mapping, environ, place in (
        ({"general_settings": {"master_key": key}}, {}, "general_settings.master_key"),
        ({}, {"LITELLM_MASTER_KEY": key}, "environment: LITELLM_MASTER_KEY"),
        ({"understudy_settings": {"keys": [{"id": "a", "key": key}]}}, {}, "understudy_settings.keys[0].key"),
    ):
        (line,) = errors(mapping, environ)
        assert place in line
        assert said in line
        ours = {**mapping.get("understudy_settings", {}), "development": True}
        assert parse_config({**mapping, "understudy_settings": ours}, environ).development


def test_no_key_at_all_is_refused_unless_development():
    assert errors({}) == ["config.yaml: no gateway key: set general_settings.master_key or understudy_settings.keys"]
    assert parse_config({"understudy_settings": {"development": True}}, {}).keys == ()


def test_the_same_key_or_id_twice_is_refused():
    keys = [{"id": "a", "key": KEY}, {"id": "a", "key": KEY + "2"}, {"id": "b", "key": KEY}]
    found = errors({"understudy_settings": {"keys": keys}})
    assert found == [
        "config.yaml: understudy_settings.keys[1]: the id 'a' is used twice",
        "config.yaml: understudy_settings.keys[2].key: the same key stands here under two ids",
    ]


# --- where values come from -----------------------------------------------------------------------------------------


def test_the_environment_wins_over_the_file():
    environ = {
        "LITELLM_MASTER_KEY": "sk-environ-0123456789",
        "DEFAULT_VERTEXAI_PROJECT": "e-project",
        "DEFAULT_VERTEXAI_LOCATION": "us-east1",
        "VERTEXAI_API_BASE": "http://127.0.0.1:2/x/",
        "GEMINI_API_BASE": "https://gem.example",
        "UNDERSTUDY_UPSTREAM_HOSTS": "example, other.example",
        "UNDERSTUDY_UPSTREAM_CA": "/e.pem",
        "DEFAULT_GOOGLE_APPLICATION_CREDENTIALS": "/e.json",
    }
    vertex = {"vertex_project": "f", "vertex_location": "eu", "api_base": "http://f", "vertex_credentials": "/f.json"}
    config = parse_config(
        {**GOOD, "default_vertex_config": vertex, "understudy_settings": {"upstream_ca": "/f.pem"}}, environ
    )
    assert [key.key.reveal() for key in config.keys] == ["sk-environ-0123456789"]
    assert (config.vertex.project, config.vertex.location) == ("e-project", "us-east1")
    assert config.vertex.base == Base("http", "127.0.0.1", 2, "/x")
    assert config.gemini.base == Base("https", "gem.example", 443)
    assert (config.upstream_ca, config.vertex.source) == ("/e.pem", KeyFile("/e.json"))
    assert config.network.upstream_hosts == ("googleapis.com", "example", "other.example")


def test_google_api_key_wins_over_gemini_api_key():
    config = parse_config(GOOD, {"GOOGLE_API_KEY": "one", "GEMINI_API_KEY": "two"})
    assert config.gemini.source == ApiKey(Secret("one"))


@pytest.mark.parametrize("path", [("default_vertex_config",), ("litellm_settings", "default_vertex_config")])
def test_the_vertex_defaults_may_stand_in_either_place(path):
    block = {
        "vertex_project": "p",
        "vertex_location": "us",
        "vertex_credentials": "/k.json",
        "api_base": "http://127.0.0.1:1",
    }
    mapping = {path[0]: block if len(path) == 1 else {path[1]: block}}
    vertex = parse_config({**GOOD, **mapping}, {}).vertex
    assert (vertex.project, vertex.location, vertex.source) == ("p", "us", KeyFile("/k.json"))
    assert vertex.base == Base("http", "127.0.0.1", 1)


def test_the_vertex_defaults_in_both_places_are_refused():
    assert (
        "keep one of them"
        in errors({**GOOD, "default_vertex_config": {}, "litellm_settings": {"default_vertex_config": {}}})[0]
    )


def test_googles_own_variable_comes_last_and_other_defaults_only_when_asked_for():
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": "/adc.json"}
    assert parse_config(GOOD, environ).vertex.source == KeyFile("/adc.json")
    filed = {"default_vertex_config": {"vertex_credentials": "/f.json"}}
    assert parse_config({**GOOD, **filed}, environ).vertex.source == KeyFile("/f.json")
    assert parse_config(GOOD, {}).vertex.source is None
    assert parse_config({**GOOD, "understudy_settings": {"vertex_adc": True}}, {}).vertex.source == ApplicationDefault()


def test_an_express_key_is_used_where_there_are_no_credentials():
    config = parse_config({**GOOD, "understudy_settings": {"vertex_api_key": "os.environ/X"}}, {"X": "AIza"})
    assert isinstance(config.vertex.source, ApiKey)


def test_a_version_at_the_end_of_a_base_is_left_out_with_a_notice():
    config = parse_config(GOOD, {"GEMINI_API_BASE": "http://127.0.0.1:1/p/v1beta"})
    assert config.gemini.base == Base("http", "127.0.0.1", 1, "/p")
    assert "the version at its end is left out" in config.notices[0]


@pytest.mark.parametrize(
    "url", ["127.0.0.1:1", "http://", "http://u:p@h", "http://h?x", "http://h#x", "http://h:99999", "http://h/ x"]
)
def test_a_base_that_is_no_plain_url_is_refused_and_not_repeated(url):
    (line,) = errors(GOOD, {"GEMINI_API_BASE": url})
    assert line.startswith("environment: GEMINI_API_BASE: a URL")
    assert "u:p" not in line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "no Google key file"),
        ("nope", "are not JSON"),
        ('{"type": "exe"}', "no Google key file"),
        ("[]", "no Google"),
    ],
)
def test_a_key_file_that_is_none_is_named_with_setting_and_line(tmp_path, content, said):
    (tmp_path / "key.json").write_text(content)
    text = (
        f"general_settings:\n  master_key: {KEY}\ndefault_vertex_config:\n  vertex_credentials: {tmp_path}/key.json\n"
    )
    (line,) = problems(tmp_path, text)
    assert line.startswith("config.yaml:4: default_vertex_config.vertex_credentials: the file key.json")
    assert said in line


def test_credentials_may_be_written_into_the_file_as_a_block(tmp_path):
    text = f"general_settings: {{master_key: {KEY}}}\n"
    text += f"default_vertex_config:\n  vertex_credentials: {SERVICE_ACCOUNT}\n"
    source = load(tmp_path, text).vertex.source
    assert isinstance(source, KeyText)
    assert json.loads(source.text.reveal()) == json.loads(SERVICE_ACCOUNT)


def test_a_missing_ca_file_is_named(tmp_path):
    text = f"general_settings: {{master_key: {KEY}}}\nunderstudy_settings:\n  upstream_ca: /nowhere.pem\n"
    (line,) = problems(tmp_path, text)
    assert line.startswith("config.yaml:3: understudy_settings.upstream_ca: the file /nowhere.pem cannot be read")


# --- the YAML text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", "config.yaml:2: a: the key stands here twice"),
        ("a: !!python/object:os.system x\n", "config.yaml:1: not YAML: could not determine a constructor"),
        ("a: !thing {b: 1}\n", "config.yaml:1: the tag !thing has no meaning here"),
        ("a: [1\nb: 2\n", "config.yaml:2: not YAML"),
        ("a: &x [*x]\n", "config.yaml:1: too many values, or nested too deep"),
        ("1: 2\n", "config.yaml:1: a key must be a text"),
        ("a: 2001-13-45\n", "config.yaml:1: a value that cannot be read"),
        ("a: \x01\n", "config.yaml: not YAML"),
        ("[" * 5000, "config.yaml"),
    ],
)
def test_a_text_that_is_no_plain_document_is_one_clear_line(tmp_path, text, said):
    (line,) = problems(tmp_path, text)
    assert line.startswith(said)


def test_aliases_are_counted_each_time(tmp_path):
    text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    text += "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    assert "too many values" in problems(tmp_path, text)[0]


def test_merge_keys_work_as_in_yaml(tmp_path):
    text = f"""\
x-defaults: &d {{vertex_project: p, vertex_location: us-east1}}
general_settings: {{master_key: {KEY}}}
default_vertex_config:
  <<: *d
  vertex_location: us-west1
"""
    vertex = load(tmp_path, text).vertex
    assert (vertex.project, vertex.location) == ("p", "us-west1")


def test_a_file_that_is_not_there_or_not_utf_8_is_one_clear_line(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "none.yaml", {})
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load_config(tmp_path / "bad.yaml", {})
    (tmp_path / "large.yaml").write_text("#" * 2_000_000)
    with pytest.raises(ConfigError, match="is larger than"):
        load_config(tmp_path / "large.yaml", {})


words = st.sampled_from(
    [
        "model_list",
        "general_settings",
        "understudy_settings",
        "keys",
        "id",
        "key",
        "master_key",
        "timeouts",
        "x",
        "default_vertex_config",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("os.environ/A"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=15,
)


@given(
    values, st.dictionaries(st.sampled_from(["A", "GEMINI_API_BASE", "DEFAULT_VERTEXAI_LOCATION"]), st.text(max_size=8))
)
def test_any_document_gives_a_configuration_or_a_config_error(value, environ):
    try:
        parse_config(value, environ)
    except ConfigError as error:
        assert str(error)


@given(st.text(max_size=80))
def test_any_text_gives_a_configuration_or_a_config_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_text(text, "utf-8", errors="replace")
    with pytest.raises(ConfigError):  # whatever it is, it holds no key
        load_config(path, {})


# --- the reference --------------------------------------------------------------------------------------------------

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize(
    "word", sorted({*GENERAL, *VERTEX_CONFIG, *PARAMS, *OURS, *KEY_WORDS, *asdict(Timeouts()), *asdict(Limits())})
)
def test_every_word_with_an_effect_stands_in_the_reference(word):
    assert f"`{word}`" in (REFERENCE / "configuration.md").read_text()


@pytest.mark.parametrize("settings", [Timeouts(), Limits()])
def test_the_reference_has_the_defaults(settings):
    text = (REFERENCE / "configuration.md").read_text()
    for name, value in asdict(settings).items():
        shown = "what the descriptors allow" if value is None else f"{value:.0f}"
        assert f"| `{name}` | {shown} |" in text


@pytest.mark.parametrize("reason", list(Reason))
def test_every_refusal_stands_in_the_reference_beside_its_status(reason):
    lines = (REFERENCE / "headers.md").read_text().splitlines()
    assert any(line.startswith(f"| {reason.status} |") and f"`{reason.name}`" in line for line in lines)


@pytest.mark.parametrize("credentials", ["{type: service_account, client_email: a@b}", "KEY FILE", "os.environ/TEXT"])
def test_a_key_file_without_what_google_auth_needs_is_a_mistake_at_start(tmp_path, credentials):
    content = '{"type": "service_account", "client_email": "a@b"}'
    (tmp_path / "key.json").write_text(content)
    text = f"general_settings: {{master_key: {KEY}}}\ndefault_vertex_config:\n  vertex_credentials: "
    text += credentials.replace("KEY FILE", str(tmp_path / "key.json")) + "\n"
    (said,) = problems(tmp_path, text, {"TEXT": content})
    assert said.startswith("config.yaml:3: default_vertex_config.vertex_credentials: ")
    assert said.endswith("the credentials of type service_account lack private_key, token_uri")


def test_a_key_block_of_an_unknown_type_is_a_mistake():
    (said,) = errors({**GOOD, "default_vertex_config": {"vertex_credentials": {"type": "gdch"}}})
    assert "of a type that is supported" in said


@pytest.mark.parametrize("name", ["X-LiteLLM-Call-Id", "content-length", "Connection", "tags"])
def test_a_header_with_a_meaning_of_its_own_carries_no_key(name):
    (said,) = errors({"general_settings": {"master_key": KEY, "litellm_key_header_name": name}})
    assert f"{name} has a meaning of its own" in said


def test_a_key_header_must_be_a_header_name():
    (said,) = errors({"general_settings": {"master_key": KEY, "litellm_key_header_name": "x goog"}})
    assert said.endswith("the name of a header such as X-Litellm-Key is wanted")


def test_a_price_book_that_is_no_file_is_told_with_its_line_and_the_nearest_word(tmp_path):
    text = f"general_settings: {{master_key: {KEY}}}\nunderstudy_settings:\n  price_book: frozn\n"
    (problem,) = problems(tmp_path, text)
    assert problem.startswith("config.yaml:3: understudy_settings.price_book: frozen, shipped or a file is wanted")
    assert "did you mean 'frozen'?" in problem


def test_a_price_book_that_is_a_file_is_taken(tmp_path):
    (tmp_path / "prices.yaml").write_text("{}")
    text = f"general_settings: {{master_key: {KEY}}}\nunderstudy_settings: {{price_book: {tmp_path}/prices.yaml}}\n"
    assert load(tmp_path, text).price_book == f"{tmp_path}/prices.yaml"
