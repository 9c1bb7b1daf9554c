"""Scenario and price files: found, read, checked; in YAML nothing but data."""

import json
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy import documents
from understudy.documents import MAX_DOCUMENT_BYTES, document_of, read_document, scenarios_folder
from understudy.errors import PriceError, ScenarioError
from understudy.library import find, lint, load, load_all, scenario_ids
from understudy.price_books import price_book
from understudy.scenario.model import Send, SendAudio
from understudy.scenario.template import new_scenario
from understudy.surfaces import Surface

SMALL = "title: t\nsurface: gemini-live\nmodel: m\nserver:\n  - pause: 1s\n"


def problems(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        document_of(text, "f")
    return [str(problem) for problem in caught.value.problems]


# ---- shipped scenarios


def test_every_shipped_scenario_is_without_mistakes_and_called_after_its_file():
    checked = lint()
    assert checked.problems == () and checked.checked == len(scenario_ids()) >= 25
    assert [scenario.id for scenario in load_all()] == list(scenario_ids())


def test_a_shipped_file_reads_the_same_whichever_reader_takes_it(monkeypatch: pytest.MonkeyPatch):
    """The quick one takes what is shipped, the other what people wrote."""
    files = sorted(scenarios_folder().rglob("*.yaml"))
    composed: list[str] = []
    slow = documents._Loader.__init__
    monkeypatch.setattr(documents._Loader, "__init__", lambda self, text: (composed.append(text), slow(self, text))[1])
    quickly = [read_document(path) for path in files]
    assert len(files) > 200 and composed == []
    for path, seen in zip(files, quickly, strict=True):
        assert document_of(path.read_text("utf-8"), "x") == seen
    assert len(composed) == len(files)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a: [1\n",
            "a: {b: 1}}\n",
            'a: "\\ud83d\\ude00"\n',
            "---\na: 1\n---\nb: 2\n",
            "a: *b\n",
            "a: !!binary eA==\n",
        ),
        "a: [yes, on, 2020-01-01, 0x1f, 010, 1_000, 1:30, ~, null, TRUE, 1e3, .5, =, <<]\n",
    ],
)
def test_what_the_quick_reader_cannot_take_or_might_take_otherwise_reads_the_same(
    tmp_path: Path, monkeypatch, text: str
):
    monkeypatch.setattr(documents, "scenarios_folder", lambda: tmp_path)
    (tmp_path / "one.yaml").write_text(text)

    def of(read):
        try:
            return read()
        except ScenarioError as error:
            return [(problem.line, problem.message) for problem in error.problems]

    assert of(lambda: read_document(tmp_path / "one.yaml")) == of(lambda: document_of(text, "x"))


def test_every_shipped_scenario_has_both_sides_and_says_what_it_costs():
    """But those of faults: they are laid over whatever a client does."""
    others = [one for one in load_all() if not one.id.startswith("faults/")]
    assert [one.id for one in others if not (one.client and one.expect.cost is not None and one.title)] == []


def test_the_readme_of_the_library_has_every_live_session():
    text = (scenarios_folder() / "README.md").read_text("utf-8")
    sections = re.split(r"in `(live/[a-z]*/?)`", text)
    told = {
        folder: set(re.findall(r"`([a-z0-9-]+)`", rest))
        for folder, rest in zip(sections[1::2], sections[2::2], strict=True)
    }
    for id in scenario_ids():
        if id.startswith("live/"):
            folder, _, name = id.rpartition("/")
            assert name.removeprefix("gemini-") in told[f"{folder}/"], id


def test_no_shipped_scenario_looks_like_holding_a_key():
    assert [
        path for path in scenarios_folder().rglob("*.yaml") if "AIza" in path.read_text() or "ya29" in path.read_text()
    ] == []


def test_the_shipped_audio_answers_are_one_second_of_24_khz():
    for name in ("live/audio-turn", "live/gemini-audio-turn"):
        [audio] = [step for step in load(name).server if isinstance(step, SendAudio)]
        assert (audio.duration_s, audio.rate_hz) == (1.0, 24000)


# ---- finding


def test_an_id_is_found_and_a_wrong_one_gets_the_nearest():
    assert find("live/text-turn") == scenarios_folder() / "live" / "text-turn.yaml"
    assert load("live/text-turn").id == "live/text-turn"
    with pytest.raises(ScenarioError, match=r"no scenario has this id \(did you mean 'live/text-turn'\?\)"):
        load("live/text-trun")


@pytest.mark.parametrize("id", ["prices", "../scenarios/live/text-turn", "live/../live/text-turn", "/etc/hosts", ""])
def test_what_is_no_id_names_nothing_though_a_file_is_there(id: str):
    with pytest.raises(ScenarioError):
        find(id)


def test_a_file_of_the_library_is_called_by_its_place_however_it_is_named():
    path = scenarios_folder() / "live" / "text-turn.yaml"
    assert load(path) == load("live/text-turn") == load(str(path))
    assert load(os.path.relpath(path)).id == "live/text-turn"


def test_a_file_elsewhere_is_called_as_it_says_or_by_its_name(tmp_path: Path):
    (tmp_path / "my one.yaml").write_text(SMALL)
    (tmp_path / "other.yml").write_text("id: mine/own\n" + SMALL)
    assert load(tmp_path / "my one.yaml").id == "my-one" and load(str(tmp_path / "other.yml")).id == "mine/own"


def test_words_name_ids_starts_of_ids_files_and_folders_each_once(tmp_path: Path):
    (tmp_path / "b.yaml").write_text(SMALL)
    (tmp_path / "a.yaml").write_text(SMALL)
    names = [one.id for one in load_all(["veo/output-filtered", "veo", str(tmp_path), str(tmp_path / "a.yaml")])]
    assert names[0] == "veo/output-filtered" and names[-2:] == ["a", "b"] and len(names) == 22
    assert {one.id.split("/")[0] for one in load_all(["live/", "gemini"])} == {"live", "gemini"}
    with pytest.raises(ScenarioError, match=r"vveo: no scenario has this id .*\(did you mean 'veo'\?\)"):
        load_all(["vveo"])


def test_the_mistakes_of_all_files_are_told_together(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(SMALL.replace("1s", "1"))
    (tmp_path / "b.yaml").write_text("server: {\n")
    with pytest.raises(ScenarioError) as caught:
        load_all([str(tmp_path)])
    assert [(Path(problem.source).name, problem.line) for problem in caught.value.problems] == [
        ("a.yaml", 5),
        ("b.yaml", 2),
    ]


def test_in_a_wheel_the_data_lies_beside_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "_scenarios" / "x").mkdir(parents=True)
    (tmp_path / "_scenarios" / "x" / "y.yaml").write_text(SMALL)
    monkeypatch.setattr(documents, "__file__", str(tmp_path / "documents.py"))
    assert scenario_ids() == ("x/y",) and load("x/y").source == "scenarios/x/y.yaml"


def test_lint_notes_a_scenario_that_can_never_answer(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(SMALL)
    (tmp_path / "b.yaml").write_text(SMALL + "match: {call: 1}\n")
    (tmp_path / "c.yaml").write_text(SMALL.replace("model: m", "model: other"))
    checked = lint([str(tmp_path)])
    assert (checked.checked, checked.problems) == (3, ())
    assert [str(note) for note in checked.notes] == [
        f"{tmp_path / 'b.yaml'}: match: never answers as long as 'a', armed before it, has steps left"
    ]


def test_both_yaml_endings_are_found_in_a_folder(tmp_path: Path):
    for name in ("b.yml", "a.yaml"):
        (tmp_path / name).write_text(SMALL)
    assert [one.id for one in load_all([str(tmp_path)])] == ["a", "b"]
    assert lint([str(tmp_path)]).checked == 2


def test_a_folder_of_ones_own_goes_before_the_start_of_shipped_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "live").mkdir()
    assert len(load_all(["live"])) > 5
    (tmp_path / "live" / "mine.yaml").write_text(SMALL)
    assert [[one.id for one in load_all([word])] for word in ("live", "live/", "live/text-turn")] == [
        ["mine"],
        ["mine"],
        ["live/text-turn"],
    ]


def test_lint_says_what_a_word_does_not_name(tmp_path: Path):
    told = [str(problem) for problem in lint(["live/text-tun", str(tmp_path)]).problems]
    assert told == [
        "live/text-tun: no scenario has this id or begins so, and no file is there (did you mean 'live/text-turn'?)",
        f"{tmp_path}: no .yaml or .yml file is in this folder",
    ]


def test_the_start_of_several_ids_is_no_id():
    with pytest.raises(ScenarioError, match=r"veo/: 20 scenarios begin so; one is wanted, such as 'veo/"):
        load("veo/")


def test_two_documents_in_a_file_are_told_as_such():
    assert problems("a: 1\n---\nb: 2\n") == ["f:2: no YAML: one document a file, but '---' begins another here"]


def test_lint_does_not_raise_for_what_is_not_there(tmp_path: Path):
    assert [problem.source for problem in lint([str(tmp_path / "none.yaml")]).problems] == [str(tmp_path / "none.yaml")]


# ---- files beside a scenario


def scenario_with_file(folder: Path, name: str) -> Path:
    path = folder / "s.yaml"
    path.write_text(SMALL + f"  - send: {{file: {name}}}\n")
    return path


def test_a_file_below_the_scenarios_folder_is_sent_as_it_is(tmp_path: Path):
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "x.bin").write_bytes(b"\0\xff{{model}}")
    [_, step] = load(scenario_with_file(tmp_path, "media/x.bin")).server
    assert isinstance(step, Send) and step.payload.pieces == (b"\0\xff{{model}}",)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", ".hidden", "a//b", "media/../../x"])
def test_a_file_is_named_by_plain_names(tmp_path: Path, name: str):
    with pytest.raises(ScenarioError, match="every part is made of letters"):
        load(scenario_with_file(tmp_path, name))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path):
    (tmp_path / "secret").write_text("x")
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ScenarioError, match="lies outside of the scenario's folder"):
        load(scenario_with_file(folder, "link"))
    (folder / "real").write_text("x")
    (folder / "inner").symlink_to(folder / "real")
    with pytest.raises(ScenarioError, match="file 'inner' cannot be read"):
        load(scenario_with_file(folder, "inner"))


# ---- YAML


def test_every_part_knows_its_line():
    document, lines = document_of("a: 1\nb:\n  - c: 2\n  -\n    d: 3\n", "f")
    assert document == {"a": 1, "b": [{"c": 2}, {"d": 3}]}
    assert lines["b",] == 2 and lines["b", 0, "c"] == 3 and lines["b", 1, "d"] == 5


def test_plain_words_are_texts_but_for_null_booleans_and_decimal_numbers():
    text = "[yes, on, no, 010, 0x1f, 1_000, 12:30, 2024-01-01, =, <<, true, null, ~, -5, 1.5, 1e3, .5, True]"
    assert document_of(text, "f")[0] == [
        "yes", "on", "no", "010", "0x1f", "1_000", "12:30", "2024-01-01", "=", "<<", True, None, None, -5, 1.5,
        1000.0, 0.5, "True",
    ]  # fmt: skip


def test_on_is_a_key():
    assert document_of("retry: {on: [429]}", "f")[0] == {"retry": {"on": [429]}}


def test_a_key_that_stands_twice_is_told():
    assert problems("a: 1\nb: {c: 1, c: 2}\na: 2\n") == [
        "f:2: the key 'c' stands here a second time",
        "f:3: the key 'a' stands here a second time",
    ]


@pytest.mark.parametrize("tag", ["!x", "!!python/object:os.system", "!!binary", "!!set", "!!timestamp"])
def test_tags_are_refused(tag: str):
    [told] = problems(f"a:\n  b: {tag} x\n")
    assert told.startswith("f:2: tags are not allowed") or "could not determine" in told


def test_keys_are_texts():
    assert problems("? [a]\n: 1\n") == ["f:1: a key is a text"]
    assert document_of("1: a", "f")[0] == {"1": "a"}


@pytest.mark.parametrize(
    "text", ["", "a: [", "a: b: c", "- a\nb: c", "a: *x", "\x07", "a: 1\n---\nb: 2\n", "a: " + "9" * 5000]
)
def test_what_is_no_yaml_is_told_in_one_line(text: str):
    [told] = problems(text)
    assert told.startswith("f:") and "\n" not in told


def test_nesting_size_and_aliases_are_bounded(tmp_path: Path):
    assert "nested deeper" in problems("[" * 100 + "]" * 100)[0]
    assert "nested deeper" in problems("[" * 100_000)[0]
    assert "nested deeper" in problems("&a [*a]")[0]
    laughs = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    assert "aliases counted each time" in problems(laughs)[0]
    (tmp_path / "big.yaml").write_text("#" * (MAX_DOCUMENT_BYTES + 1))
    with pytest.raises(ScenarioError, match=f"larger than {MAX_DOCUMENT_BYTES} bytes"):
        read_document(tmp_path / "big.yaml")


def test_an_alias_may_be_used():
    assert document_of("a: &t [1]\nb: *t\n", "f")[0] == {"a": [1], "b": [1]}


def test_files_that_cannot_be_read_are_told_in_one_line(tmp_path: Path):
    (tmp_path / "latin.yaml").write_bytes(b"title: \xe9")
    for name, told in (("latin.yaml", "is not UTF-8"), ("none.yaml", "cannot be read: No such file or directory")):
        with pytest.raises(ScenarioError, match=told):
            load(tmp_path / name)


yaml_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab:-? ", max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(yaml_values)
def test_json_is_yaml(value: Any):
    assert document_of(json.dumps(value), "f")[0] == value


@given(st.text(max_size=40) | st.text("[]{}:,-&*!?#'\"|>% \nab1", max_size=40))
def test_any_text_is_data_or_a_scenario_error(text: str):
    try:
        document_of(text, "f")
    except ScenarioError as error:
        assert error.problems


# ---- new scenarios


@pytest.mark.parametrize("surface", list(Surface))
def test_a_new_scenario_is_without_mistakes(surface: Surface, tmp_path: Path):
    path = tmp_path / "new.yaml"
    path.write_text(new_scenario(surface, "my/new"))
    scenario = load(path)
    assert (scenario.id, scenario.surface) == ("my/new", surface)


# ---- price books


def test_the_frozen_prices_are_invented_and_the_shipped_ones_are_googles():
    frozen, shipped = price_book("frozen"), price_book("shipped")
    assert frozen.demanded("gemini", "gemini-2.5-flash").price("output_cost_per_token") == Decimal("0.0000025")
    assert frozen.entry("gemini", "gemini-2.0-flash") is None
    assert len(shipped) > 300 and shipped.entry("vertex_ai", "gemini-2.5-flash") is not None


@pytest.mark.parametrize(("suffix", "text"), [
    (".yaml", "gemini/gemini-2.5-flash: {input_cost_per_token: 0.1}"),
    (".yaml", 'gemini/gemini-2.5-flash: {input_cost_per_token: "0.1"}'),
    (".json", '{"gemini/gemini-2.5-flash": {"input_cost_per_token": 0.1}}'),
])  # fmt: skip
def test_an_own_file_lies_over_the_shipped_prices(tmp_path: Path, suffix: str, text: str):
    path = tmp_path / f"prices{suffix}"
    path.write_text(text)
    entry = price_book(path).demanded("gemini", "gemini-2.5-flash")
    assert entry.price("input_cost_per_token") == Decimal("0.1")
    assert entry.price("output_cost_per_token") == price_book().demanded("gemini", "gemini-2.5-flash").price(
        "output_cost_per_token"
    )


@pytest.mark.parametrize(("name", "text", "told"), [
    ("p.yaml", "a: {b: 1", "p.yaml:1: no YAML"),
    ("p.json", '{"a":\n 1,}', "p.json:2: no JSON"),
    ("p.json", '{"a": {}, "a": {}}', "p.json:1: the key 'a' stands here a second time"),
    ("p.json", '{"a": {"input_cost_per_token": NaN}}', "p.json: NaN is no price"),
    ("p.json", "[" * 100_000, "p.json: no JSON that can be read"),
    ("p.json", "[]", "p.json: wanted a mapping of models"),
    ("none.json", None, "none.json: cannot be read: No such file or directory"),
    ("p.yaml", "gemini/x: {input_cost_per_tokn: 1}", "input_cost_per_tokn"),
])  # fmt: skip
def test_a_wrong_price_file_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str | None, told: str
):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(PriceError) as caught:
        price_book(name)
    assert told in str(caught.value) and "\n" not in str(caught.value)
