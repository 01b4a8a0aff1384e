"""What generators of clients and people who read the OpenAPI document need to find in it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = json.loads((Path(__file__).parents[1] / "openapi.json").read_text())
OPERATIONS = {
    operation["operationId"]: operation for methods in DOCUMENT["paths"].values() for operation in methods.values()
}
AUTH = {name for name, operation in OPERATIONS.items() if operation["tags"] == ["auth"]}


def resolved(described: dict[str, Any]) -> dict[str, Any]:
    """What a reference leads to; anything else as it is."""
    found = DOCUMENT if "$ref" in described else described
    for name in described.get("$ref", "").split("/")[1:]:
        found = found[name]
    return found


def schemas(described: Any) -> Iterator[dict[str, Any]]:
    """All objects in a part of the document, schemas among them."""
    if isinstance(described, dict):
        yield described
    if isinstance(described, dict | list):
        for inner in described.values() if isinstance(described, dict) else described:
            yield from schemas(inner)


def operations_with(header: str) -> set[str]:
    return {
        name
        for name, operation in OPERATIONS.items()
        if header in [resolved(parameter)["name"] for parameter in operation.get("parameters", [])]
    }


def answering(status: str) -> set[str]:
    return {name for name, operation in OPERATIONS.items() if status in operation["responses"]}


def test_names_are_unique_and_say_what_is_done():
    assert len(OPERATIONS) == sum(len(methods) for methods in DOCUMENT["paths"].values())
    verbs = (
        "list",
        "get",
        "create",
        "replace",
        "update",
        "delete",
        "restore",
        "upload",
        "attach",
        "sign",
        "mark",
        "copy",
        "export",
        "log",
    )
    assert [name for name in OPERATIONS if not name.startswith(verbs)] == []


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_operation_has_a_summary_and_a_tag_that_are_explained(operation_id):
    operation = OPERATIONS[operation_id]
    assert operation["description"].startswith(operation["summary"])
    assert len(operation["summary"]) < 100
    assert not operation["summary"].endswith(".")
    explained = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    assert [tag for tag in operation["tags"] if explained[tag]] == operation["tags"] != []


def test_the_document_says_whose_it_is():
    assert DOCUMENT["info"]["license"] == {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"}
    assert DOCUMENT["info"]["description"]
    assert [server["url"] for server in DOCUMENT["servers"]] == ["/"]


def test_headers_that_are_read_are_parameters():
    assert operations_with("X-Clinic-ID") == OPERATIONS.keys() - AUTH
    assert operations_with("If-Match") == answering("412") != set()
    assert operations_with("If-None-Match") == answering("304") != set()
    assert operations_with("Idempotency-Key") == {"createTemplate", "copyTemplate", "createRecord", "uploadPhoto"}


@pytest.mark.parametrize(
    ("status", "header", "names"),
    [
        ("201", "Location", answering("201")),
        ("304", "ETag", answering("304")),
        ("412", "ETag", answering("412")),
        ("401", "WWW-Authenticate", answering("401")),
        ("429", "Retry-After", {"logIn"}),
        ("503", "Retry-After", OPERATIONS.keys()),
    ],
)
def test_headers_of_responses_are_declared(status, header, names):
    declared = {
        name
        for name in answering(status)
        if header in resolved(OPERATIONS[name]["responses"][status]).get("headers", {})
    }
    assert declared == set(names)


def test_a_list_says_what_is_in_it():
    lists = [schema for schema in schemas(DOCUMENT["components"]) if "array" in schema.get("type", [])]
    assert lists
    assert [schema for schema in lists if "items" not in schema] == []


def test_nothing_that_may_be_left_out_of_a_body_has_a_default():
    """openapi-typescript types it as if it had to be given."""
    assert [schema for schema in schemas(DOCUMENT["components"]["schemas"]) if schema.get("default") is not None] == []


def test_an_object_says_what_is_in_it():
    shapes = {"properties", "additionalProperties"}
    objects = [schema for schema in schemas(DOCUMENT["components"]) if schema.get("type") == "object"]
    assert [
        schema for schema in objects if not shapes & schema.keys() or schema.get("additionalProperties") == {}
    ] == []


def test_the_version_may_be_in_the_header_instead_of_the_body():
    bodies = {name: schema for name, schema in DOCUMENT["components"]["schemas"].items() if not is_shown(schema)}
    with_version = {name: schema for name, schema in bodies.items() if "version" in schema.get("properties", {})}
    assert {"TemplateChange", "RecordPatch", "VersionInput", "PhotoAttachment"} <= with_version.keys()
    assert [name for name, schema in with_version.items() if "version" in schema.get("required", [])] == []


def is_shown(schema: dict[str, Any]) -> bool:
    """Whether a schema is one of responses: their rows have times."""
    return bool({"created_at", "at", "photos"} & schema.get("properties", {}).keys())


def test_a_problem_about_a_version_shows_what_is_there():
    for name, shown in {"StaleTemplate": "Template", "StaleRecord": "RecordDetail"}.items():
        stale = DOCUMENT["components"]["schemas"][name]
        assert stale["properties"]["current"]["$ref"] == f"#/components/schemas/{shown}"
        assert {"type", "title", "status", "detail", "instance", "current", "changed_at"} <= set(stale["required"])
