"""The OpenAPI document: valid, complete, true to the answers; and its reader, served by the application itself.

``openapi-3.1.schema.json`` is the OpenAPI Initiative's (https://spec.openapis.org/oas/3.1/schema/2022-10-07, Apache-2.0).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import servers

METHODS = {"get", "post", "put", "patch", "delete"}
STATIC = servers.ROOT / "src" / "rollcall" / "web" / "static"


@pytest.fixture(scope="module")
def document(shared_app) -> dict[str, Any]:
    return shared_app.test_client().get("/openapi.json").json


@pytest.fixture(scope="module")
def operations(document) -> dict[str, dict[str, Any]]:
    """By name, such as ``get /api/v1/users``."""
    return {
        f"{method} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def resolved(document, part):
    """A part of the document with its references followed."""
    if isinstance(part, list):
        return [resolved(document, item) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        target = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return resolved(document, target)
    return {key: resolved(document, value) for key, value in part.items()}


def violations(schema, instance):
    return [error.message for error in Draft202012Validator(schema).iter_errors(instance)]


def test_document_is_valid_openapi_3_1(document):
    assert document["openapi"].startswith("3.1.")
    schema = json.loads((Path(__file__).parent / "openapi-3.1.schema.json").read_text())
    assert violations(schema, document) == []


def test_every_schema_in_it_is_valid(document):
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_reference_in_it_leads_somewhere(document):
    assert resolved(document, document)


def test_document_names_the_service_and_its_version(document, nobody):
    assert document["info"]["title"] == "Rollcall"
    assert document["info"]["version"] == nobody.get("//health").json["version"]


def test_every_route_of_the_interface_is_in_it(shared_app, operations):
    routes = {
        method.lower() + " " + re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)
        for rule in shared_app.url_map.iter_rules()
        if rule.rule.startswith(("/api/", "/health", "/metrics"))
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert set(operations) == routes
    assert len(routes) >= 18


def test_every_operation_has_a_summary_of_its_own(operations):
    summaries = [operation.get("summary", "") for operation in operations.values()]
    assert all(5 < len(summary) < 80 for summary in summaries), summaries
    assert len(set(summaries)) == len(summaries)


def test_every_operation_belongs_to_a_described_part(document, operations):
    described = {tag["name"] for tag in document["tags"] if tag.get("description")}
    assert {tag for operation in operations.values() for tag in operation["tags"]} == described


def test_every_operation_says_who_may_call_it(document, operations):
    open_to_all = {name for name, operation in operations.items() if operation["security"] == []}
    assert open_to_all == {
        "post /api/v1/auth/register",
        "post /api/v1/auth/login",
        "post /api/v1/auth/forgot-password",
        "get /health",
        "get /health/live",
        "get /health/ready",
    }
    used = {scheme for operation in operations.values() for choice in operation["security"] for scheme in choice}
    assert used == set(document["components"]["securitySchemes"]) == {"bearer", "api_token", "metrics_token"}


def test_every_operation_names_the_errors_of_its_kind(operations):
    for name, operation in operations.items():
        statuses = set(operation["responses"])
        expected = set()
        if not name.startswith("get /health"):
            expected |= {"503", "504"}
        if operation["security"]:
            expected |= {"401"}
        if "requestBody" in operation:
            expected |= {"400", "413", "415", "422"}
        if any(parameter["in"] == "query" for parameter in operation.get("parameters", [])):
            expected |= {"422"}
        if "{user_id}" in name:
            expected |= {"403", "404"}
            expected |= set() if name.endswith("/changes") else {"429"}  # superusers only, as lists are
        if "/auth/" in name and "logout" not in name:
            expected |= {"429"}
        if "login" in name:
            expected |= {"401", "403"}
        if "register" in name:
            expected |= {"403", "409"}
        assert expected <= statuses, (name, expected - statuses)


def test_every_error_has_the_envelope(document, operations):
    for name, operation in operations.items():
        for status, response in operation["responses"].items():
            if status >= "400" and not name.startswith("get /health"):
                schema = resolved(document, response)["content"]["application/json"]["schema"]
                assert set(schema["properties"]) == {"error", "message", "details", "request_id"}, (name, status)


def test_every_operation_shows_examples(document, operations):
    for name, operation in operations.items():
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [response.get("content", {}) for status, response in operation["responses"].items() if status < "300"]
        for content in contents:
            assert "application/json" not in content or "'examples'" in str(resolved(document, content)), name


def test_examples_are_valid(document):
    for name, schema in document["components"]["schemas"].items():
        for field, described in resolved(document, schema).get("properties", {}).items():
            for example in described.get("examples", []):
                assert violations(described, example) == [], (name, field)


def test_answers_are_as_described(document, operations, as_root, nobody):
    calls = {
        "get /api/v1/users": as_root.get("/users"),
        "get /api/v1/users/{user_id}": as_root.get("/users/1"),
        "get /api/v1/auth/me": as_root.get("/auth/me"),
        "get /api/v1/dashboard/stats": as_root.get("/dashboard/stats"),
        "get /api/v1/dashboard/signups": as_root.get("/dashboard/signups?days=3"),
        "get /api/v1/metrics/database": as_root.get("/metrics/database"),
        "get /health": nobody.get("//health"),
        "get /health/live": nobody.get("//health/live"),
        "get /health/ready": nobody.get("//health/ready"),
        "post /api/v1/auth/login": nobody.post("/auth/login", json={"username": "root", "password": "correct-horse-battery"}),
    }
    for name, answer in calls.items():
        assert answer.status_code == 200, name
        schema = resolved(document, operations[name]["responses"]["200"]["content"]["application/json"]["schema"])
        assert violations(schema, answer.json) == [], name
        assert set(answer.json) == set(schema["properties"]), name


def test_user_ids_are_described_as_they_are_taken(document):
    [parameter] = document["paths"]["/api/v1/users/{user_id}"]["parameters"]
    assert parameter["schema"] == {"type": "integer", "format": "int64", "minimum": 1, "maximum": 2**63 - 1}


def test_no_answer_describes_a_password(document):
    for name in ("User", "UserPage", "Token"):
        assert "password" not in str(resolved(document, document["components"]["schemas"][name]))


# The reader


def test_reader_takes_everything_from_the_application_itself(nobody):
    page = nobody.get("//docs")
    assert page.content_type == "text/html; charset=utf-8"
    text = page.get_data(as_text=True)
    addresses = re.findall(r'(?:src|href|data-document)="([^"]*)"', text)
    assert len(addresses) >= 5
    for address in addresses:
        if address != "data:,":
            assert address.startswith("/")
            assert not address.startswith("//")
            answer = nobody.get("/" + address)
            answer.close()
            assert answer.status_code == 200, address


def test_reader_has_nothing_that_its_policy_forbids(nobody):
    text = nobody.get("//docs").get_data(as_text=True)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:", text)


def test_reader_asks_no_other_server_to_validate():
    assert "validatorUrl: null" in (STATIC / "docs.js").read_text()


def test_reader_travels_with_its_licence_and_says_its_version():
    folder = STATIC / "swagger-ui"
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert (folder / "NOTICE").stat().st_size
    version = re.search(r"Swagger UI (\d+\.\d+\.\d+)", (folder / "README.md").read_text()).group(1)
    assert version in (folder / "swagger-ui-bundle.js").read_text()
