"""``GET /api/v1/users/export``: every user that matches the list's filters, as a file."""

from __future__ import annotations

import csv
import io
import json

import pytest

from answers import problems, refused

FIELDS = ["id", "email", "username", "full_name", "is_active", "is_superuser", "created_at", "updated_at", "last_login_at"]
FILTERS = [
    "",
    "is_active=false",
    "is_superuser=true&is_active=true",
    "search=mail1",
    "sort_by=username&sort_order=asc",
    "search=er&is_active=true&sort_by=email&sort_order=desc",
]


def exported(answer):
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.parametrize("query", FILTERS)
def test_export_is_the_whole_list_in_its_order(as_root, crowd, query):
    listed = as_root.get(f"/users?size=100&{query}").json["items"]
    assert exported(as_root.get(f"/users/export?format=ndjson&{query}")) == listed


def test_export_is_csv_unless_said_otherwise(as_root, crowd):
    for path in ("/users/export", "/users/export?format=csv"):
        answer = as_root.get(path)
        assert answer.content_type == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert list(rows[0]) == FIELDS
        assert [row["username"] for row in rows] == [user["username"] for user in as_root.get("/users").json["items"]]


def test_ndjson_says_so(as_root):
    assert as_root.get("/users/export?format=ndjson").content_type == "application/x-ndjson"


def test_export_of_nobody_is_a_header_or_nothing(as_root):
    assert as_root.get("/users/export?search=nowhere").text.strip() == ",".join(FIELDS)
    assert as_root.get("/users/export?format=ndjson&search=nowhere").text == ""


def test_export_holds_no_secret(as_root, ann):
    for file_format in ("csv", "ndjson"):
        assert "argon2" not in as_root.get(f"/users/export?format={file_format}").text


def test_export_has_more_than_a_page_in_one_statement(as_root, put_users, statements):
    put_users([{"username": f"user{n}"} for n in range(2500)])
    assert len(exported(as_root.get("/users/export?format=ndjson"))) == 2501
    assert len(statements) == 3, statements  # the caller, the event, the rows


@pytest.mark.parametrize(
    ("query", "field", "kind"),
    [
        ("format=xml", "format", "invalid_choice"),
        ("format=csv&format=csv", "format", "repeated"),
        ("page=1", "page", "unknown_field"),
        ("size=10", "size", "unknown_field"),
        ("cursor=x", "cursor", "unknown_field"),
        ("is_active=yes", "is_active", "invalid_type"),
        ("search=", "search", "too_short"),
    ],
)
def test_parameter_that_is_not_valid_is_refused(as_root, query, field, kind):
    answer = as_root.get(f"/users/export?{query}")
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"query.{field}", kind)}
