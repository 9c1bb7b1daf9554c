"""Turns Google's machine-readable descriptions into the compact data by which the simulator checks requests.

Run it with google-api-python-client, google-ai-generativelanguage and PyYAML installed:

    python scripts/describe_google.py simulator/understudy_simulator/validation/data

Vertex AI comes from the aiplatform discovery documents that google-api-python-client carries, Gemini from the proto
descriptors of google-ai-generativelanguage; `describe/*.yaml` adds what they lack, with a source for each field. Only
what can be reached from the messages in `describe/roots.yaml` is kept. The form of the output is described in
`understudy_simulator/validation/described.py`.
"""

import importlib
import importlib.metadata
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent / "describe"
GEMINI_VERSIONS = ("v1beta", "v1alpha", "v1")
VERTEX_VERSIONS = ("v1", "v1beta1")
_WELL_KNOWN = {"Struct", "Value", "ListValue", "Any", "Empty", "Duration", "Timestamp", "FieldMask"}
_SHARED = {"GoogleLongrunningOperation": "Operation", "GoogleRpcStatus": "Status"}
_FORMATS = {
    ("string", "byte"): "bytes",
    ("string", "google-datetime"): "Timestamp",
    ("string", "google-duration"): "Duration",
    ("string", "google-fieldmask"): "FieldMask",
    ("string", "int64"): "int64",
    ("string", "uint64"): "uint64",
    ("integer", "int32"): "int32",
    ("integer", "uint32"): "uint32",
    ("number", "float"): "float",
    ("number", "double"): "double",
    ("boolean", None): "bool",
    ("string", None): "string",
    ("any", None): "Value",
}
_PROTO_SCALARS = {
    1: "double",
    2: "float",
    3: "int64",
    4: "uint64",
    5: "int32",
    8: "bool",
    9: "string",
    12: "bytes",
    13: "uint32",
    17: "int32",
    18: "int64",
}
_ENUM, _MESSAGE = 14, 11


@dataclass
class Tables:
    """Messages (field name to type), enums (names), full names where they differ from the key."""

    messages: dict[str, dict[str, str]] = field(default_factory=dict)
    enums: dict[str, list[str]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)


# Discovery documents


def from_discovery(document: Mapping[str, Any], prefix: str, enum_names: Mapping[str, str]) -> Tables:
    """The tables of a discovery document; names lose `prefix`, schemas of other packages keep theirs.

    Discovery documents do not name enums: the name is taken from the common part of the values (`X_UNSPECIFIED`), or
    from `enum_names` (`Message.field`).
    """
    tables = Tables()
    schemas = document["schemas"]
    for key, schema in sorted(schemas.items()):
        name = _short(key, prefix)
        fields = {}
        for field_name, described in sorted(schema.get("properties", {}).items()):
            fields[field_name] = _discovery_type(tables, name, field_name, described, prefix, enum_names)
        tables.messages[name] = fields
    tables.titles = {name: title for name in tables.messages if (title := _nested_title(name, tables)) != name}
    tables.titles |= {name: name.removeprefix("Own") for name in tables.messages if name[3:] in _WELL_KNOWN}
    for name in tables.enums:
        outer, _, own = name.rpartition(".")
        if outer in tables.titles:
            tables.titles[name] = f"{tables.titles[outer]}.{own}"
    return tables


def _short(key: str, prefix: str) -> str:
    name = _SHARED.get(key) or key.removeprefix(prefix)
    # aiplatform has a message Value of its own, which is not google.protobuf's.
    return f"Own{name}" if name in _WELL_KNOWN else name


def _discovery_type(
    tables: Tables, message: str, name: str, described: Mapping[str, Any], prefix: str, enum_names: Mapping[str, str]
) -> str:
    if "$ref" in described:
        return _short(described["$ref"], prefix)
    kind = described.get("type")
    if kind == "array":
        return "[]" + _discovery_type(tables, message, name, described["items"], prefix, enum_names)
    if kind == "object":
        inner = described["additionalProperties"]
        if inner.get("type") == "any":
            # A repeated or single Struct; Any looks the same but for its description.
            return "Any" if "@type" in inner.get("description", "") else "Struct"
        return "{}" + _discovery_type(tables, message, name, inner, prefix, enum_names)
    if "enum" in described:
        return _enum(tables, message, name, described["enum"], enum_names)
    return _FORMATS[kind, described.get("format")]


def _enum(tables: Tables, message: str, name: str, values: list[str], enum_names: Mapping[str, str]) -> str:
    first = values[0]
    stem = first.removesuffix("_UNSPECIFIED") if first.endswith("_UNSPECIFIED") and first != "UNSPECIFIED" else ""
    own = "".join(word.capitalize() for word in stem.split("_")) if stem else name[:1].upper() + name[1:]
    title = enum_names.get(f"{message}.{name}") or (own if own in enum_names.values() else f"{message}.{own}")
    known = tables.enums.setdefault(title, [])
    known.extend(value for value in values if value not in known)
    return title


def _nested_title(name: str, tables: Tables) -> str:
    """`Tool.GoogleSearch` for `ToolGoogleSearch`: a message that Tool refers to, and whose name begins like it."""
    for at in range(len(name) - 1, 0, -1):
        outer = name[:at]
        if name[at].isupper() and outer in tables.messages:
            bare = {_bare(kind) for kind in tables.messages[outer].values()}
            if name in bare:
                return f"{_nested_title(outer, tables)}.{name[at:]}"
    return name


# Proto descriptors


def from_descriptors(descriptors: Iterable[Any], package: str) -> Tables:
    """The tables of proto message descriptors and of all that they refer to; names are relative to `package`."""
    tables = Tables()
    todo = list(descriptors)
    while todo:
        message = todo.pop()
        name = _relative(message.full_name, package)
        if name in tables.messages:
            continue
        tables.messages[name] = {}
        if not message.full_name.startswith(package):
            tables.titles[name] = message.full_name
        for entry in message.fields:
            tables.messages[name][entry.json_name.rstrip("_")] = _proto_type(tables, entry, package)
            inner = _map_value(entry) or entry
            if inner.message_type is not None and not inner.message_type.full_name.startswith("google.protobuf."):
                todo.append(inner.message_type)
    return tables


def _relative(full_name: str, package: str) -> str:
    if full_name.startswith(package):
        return full_name[len(package) + 1 :]
    return full_name.rpartition(".")[2]


def _map_value(entry: Any) -> Any:
    message = entry.message_type
    if message is not None and message.GetOptions().map_entry:
        return message.fields_by_name["value"]
    return None


def _proto_type(tables: Tables, entry: Any, package: str) -> str:
    value = _map_value(entry)
    if value is not None:
        return "{}" + _proto_type(tables, value, package)
    if entry.type == _MESSAGE:
        kind = _relative(entry.message_type.full_name, package)
    elif entry.type == _ENUM:
        kind = _relative(entry.enum_type.full_name, package)
        tables.enums[kind] = [known.name for known in entry.enum_type.values]
    else:
        kind = _PROTO_SCALARS[entry.type]
    oneof = entry.containing_oneof
    group = f"|{oneof.name}" if oneof is not None and not oneof.name.startswith("_") else ""
    return ("[]" if entry.is_repeated else "") + kind + group


# Overlay


def overlaid(tables: Tables, overlay: Mapping[str, Any]) -> Tables:
    """The tables with an overlay's fields, enum values, oneofs and titles.

    Raises ValueError for a line without a source, or one that repeats what the tables have.
    """
    for name, fields in overlay.get("messages", {}).items():
        known = tables.messages.setdefault(name, {})
        for field_name, line in fields.items():
            kind = _overlay_type(line, overlay["sources"])
            if field_name in known:
                if known[field_name] != kind:
                    raise ValueError(f"{name}.{field_name} is known as {known[field_name]}, not {kind}")
                continue
            known[field_name] = kind
    for name, values in overlay.get("enums", {}).items():
        known_values = tables.enums.setdefault(name, [])
        known_values.extend(value for value in values if value not in known_values)
    for name, groups in overlay.get("groups", {}).items():
        for group, members in groups.items():
            for member in members:
                if member in tables.messages.get(name, {}):
                    tables.messages[name][member] += f"|{group}"
    tables.titles.update(overlay.get("titles", {}))
    return tables


def _overlay_type(line: str, sources: Mapping[str, str]) -> str:
    """`[]Blob|data` for `repeated Blob in data from genai`."""
    text, _, source = line.rpartition(" from ")
    if source not in sources:
        raise ValueError(f"no source: {line}")
    text, _, group = text.partition(" in ")
    shape, _, kind = text.rpartition(" ")
    return {"": "", "repeated": "[]", "map": "{}"}[shape] + kind + (f"|{group}" if group else "")


# Output


def compact(tables: Tables, roots: Iterable[str], package: str, sources: Iterable[str]) -> dict[str, Any]:
    """What is written: all that can be reached from `roots`, in order. Raises KeyError for a root that is not there."""
    messages: dict[str, dict[str, str]] = {}
    enums: dict[str, list[str]] = {}
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name in messages:
            continue
        messages[name] = tables.messages[name]
        for kind in map(_bare, tables.messages[name].values()):
            if kind in tables.enums:
                enums[kind] = sorted(tables.enums[kind])
            elif kind in tables.messages:
                todo.append(kind)
    kept = messages.keys() | enums.keys()
    return {
        "package": package,
        "sources": list(sources),
        "messages": {name: dict(sorted(messages[name].items())) for name in sorted(messages)},
        "enums": {name: enums[name] for name in sorted(enums)},
        "titles": {name: title for name, title in sorted(tables.titles.items()) if name in kept and title != name},
    }


def written(data: Mapping[str, Any]) -> str:
    """The file's text: one message a line, so that a change can be read."""
    parts = []
    for key, value in data.items():
        if isinstance(value, dict) and value:
            lines = ",\n".join(f"{json.dumps(name)}:{_dense(entry)}" for name, entry in value.items())
            parts.append(f'"{key}":{{\n{lines}\n}}')
        else:
            parts.append(f'"{key}":{_dense(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _dense(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _bare(kind: str) -> str:
    return kind.partition("|")[0].removeprefix("[]").removeprefix("{}")


# Reading


def _overlay(name: str) -> dict[str, Any]:
    return yaml.safe_load((HERE / f"{name}.yaml").read_text("utf-8"))


def _descriptors() -> Iterator[tuple[str, list[Any]]]:
    for version in GEMINI_VERSIONS:
        types = importlib.import_module(f"google.ai.generativelanguage_{version}.types")
        every = [getattr(types, name) for name in sorted(types.__all__)]
        yield version, [one.pb().DESCRIPTOR for one in every if hasattr(one, "pb")]


def describe_gemini(roots: Iterable[str]) -> dict[str, Any]:
    """The data of the Gemini API: all versions in one, since its clients use them for the same."""
    tables = Tables()
    for version, descriptors in _descriptors():
        found = from_descriptors(descriptors, f"google.ai.generativelanguage.{version}")
        for name, fields in found.messages.items():
            tables.messages[name] = fields | tables.messages.get(name, {})
        for name, values in found.enums.items():
            known = tables.enums.setdefault(name, [])
            known.extend(value for value in values if value not in known)
        tables.titles |= found.titles
    package = "google-ai-generativelanguage"
    source = f"{package} {importlib.metadata.version(package)}, protos {', '.join(GEMINI_VERSIONS)}"
    overlay = _overlay("gemini")
    tables = overlaid(tables, overlay)
    return compact(tables, roots, "google.ai.generativelanguage.{version}", (source, *overlay["sources"].values()))


def describe_vertex(version: str, roots: Iterable[str]) -> dict[str, Any]:
    """The data of Vertex AI in one version. Messages that only v1beta1 has are in v1 too: clients use both."""
    documents = importlib.import_module("googleapiclient").__path__[0]
    path = Path(documents) / "discovery_cache" / "documents"
    overlay = _overlay("vertex")
    found, revisions = [], []
    for which in (version, *(other for other in VERTEX_VERSIONS if other != version)):
        document = json.loads((path / f"aiplatform.{which}.json").read_text("utf-8"))
        prefix = f"GoogleCloudAiplatform{which.capitalize()}"
        found.append(from_discovery(document, prefix, overlay["enum_names"]))
        revisions.append(f"{which} revision {document['revision']}")
    tables, others = found
    if version == "v1":
        tables.messages = others.messages | {
            name: others.messages.get(name, {}) | fields for name, fields in tables.messages.items()
        }
        for name, values in others.enums.items():
            known = tables.enums.setdefault(name, [])
            known.extend(value for value in values if value not in known)
        tables.titles = others.titles | tables.titles
    package = "google-api-python-client"
    versions = ", ".join(revisions if version == "v1" else revisions[:1])
    source = f"{package} {importlib.metadata.version(package)}, aiplatform {versions}"
    tables = overlaid(tables, overlay)
    package_name = "google.cloud.aiplatform.{version}"
    return compact(tables, roots, package_name, (source, *overlay["sources"].values()))


def main(folder: str) -> None:
    """Write the three files into `folder`."""
    roots = _overlay("roots")
    target = Path(folder)
    target.joinpath("gemini.json").write_text(written(describe_gemini(roots["gemini"])), "utf-8")
    for version in VERTEX_VERSIONS:
        data = describe_vertex(version, roots["vertex"])
        target.joinpath(f"vertex_{version}.json").write_text(written(data), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
