"""Whatever JSON and whatever parameters come in, the answer is never a 500, and every refusal has the envelope."""

from __future__ import annotations

import string
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

# The same examples each time: what fails here fails for everybody.
FUZZ = settings(
    database=None,
    deadline=None,
    derandomize=True,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

FIELDS = ["email", "username", "full_name", "password", "password_hash", "current_password", "is_active", "is_superuser", "id"]
PLAUSIBLE = ["bob@example.org", "bob", "Bob Lee", "a-fine-passphrase", "$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA", "root", "1"]

# Surrogates too: JSON can escape them.
texts = some.text(some.characters(codec=None), max_size=300) | some.sampled_from(PLAUSIBLE)
scalars = some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | texts
values = some.recursive(scalars, lambda inner: some.lists(inner) | some.dictionaries(texts, inner), max_leaves=8)
objects = some.dictionaries(some.sampled_from(FIELDS) | texts, values, max_size=9)
users = some.fixed_dictionaries(
    {
        "email": some.just("bob@example.org") | values,
        "username": some.just("bob") | values,
        "password": some.just("a-fine-passphrase") | values,
    },
    optional={field: values for field in FIELDS if field not in {"email", "username", "password"}},
)
bodies = users | objects | values


def check(answer):
    assert answer.status_code < 500, answer.get_data(as_text=True)
    if answer.status_code >= 400:
        assert set(answer.json) == {"error", "message", "details", "request_id"}


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/users"), ("PATCH", "/users/1"), ("POST", "/auth/login"), ("POST", "/auth/register")]
)
@FUZZ
@given(body=bodies)
def test_any_json(as_root, method, path, body):
    check(as_root(method, path, json=body))


@FUZZ
@given(body=some.lists(bodies, max_size=5))
def test_any_bulk(as_root, body):
    check(as_root.post("/users/bulk", json=body))


@pytest.mark.parametrize("path", ["/users", "/auth/login"])
@FUZZ
@given(body=some.binary(max_size=200))
def test_any_bytes(as_root, path, body):
    check(as_root.post(path, data=body, content_type="application/json"))


NAMES = ["page", "size", "is_active", "is_superuser", "search", "sort_by", "sort_order", "cursor", "format", "days", "all"]
WORDS = [
    "1",
    "0",
    "-1",
    "true",
    "false",
    "created_at",
    "username",
    "email",
    "asc",
    "desc",
    "%",
    "_",
    "\\",
    "csv",
    "ndjson",
    "a\\%_'\"",
]
bytes_ = some.binary(max_size=30).map(lambda raw: raw.decode("latin-1"))
queries = some.lists(some.tuples(some.sampled_from(NAMES) | bytes_, some.sampled_from(WORDS) | bytes_), max_size=5)


@pytest.mark.parametrize("path", ["/users", "/users/export", "/dashboard/signups"])
@FUZZ
@given(query=queries)
def test_any_query(as_root, path, query):
    check(as_root.get(f"{path}?{urlencode(query, encoding='latin-1')}"))


@FUZZ
@given(term=some.text(some.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=100))
def test_any_search_term_is_searched_for(as_root, term):
    expected = 200 if term.replace(",", "").strip() else 422
    assert as_root.get(f"/users?{urlencode({'search': term})}").status_code == expected


@FUZZ
@given(path=some.text(string.printable + "é☃", max_size=80))
def test_any_path(as_root, path):
    check(as_root.get("/users/" + path.replace("#", "").replace("?", "")))
