"""What a valid field is. Every refusal is tested by its code, which clients see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import email_validator
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.errors import FieldError, ValidationFailed
from rollcall.services import normalization
from rollcall.services.users import fields
from rollcall.services.users.fields import NewUser
from rollcall.services.users.restored_fields import Restored

NOW = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)


def refusal(check: Callable[[str], object], value: str) -> str:
    with pytest.raises(FieldError) as caught:
        check(value)
    return caught.value.type


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.com",
        "Ann.Lee+list@example.com",
        "a@host.local",
        "a@mail.internal",
        "a@x.test",
        "a@127.example",
        "o'brien@example.org",
        "INFO@example.org",
        "a" * 242 + "@example.com",
    ],
)
def test_an_email_is_kept_as_it_was_typed(address: str) -> None:
    assert fields.email(address) == address


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("ju\u0308rgen@BÜCHER.example", "jürgen@bücher.example"),
        ("ann@xn--bcher-kva.example", "ann@bücher.example"),
        ("Info@Bücher.example", "Info@bücher.example"),
        (" Ann@Example.COM\n", "Ann@example.com"),
    ],
)
def test_an_email_is_normalised(typed: str, stored: str) -> None:
    assert fields.email(typed) == stored
    assert normalization.name(typed) == stored


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("", "invalid_format"),
        ("ann", "invalid_format"),
        ("ann@localhost", "invalid_format"),
        ("ann @example.com", "invalid_format"),
        ("ann@xn--0.example", "invalid_format"),
        ("ann@@example.com", "invalid_format"),
        ("ann.@example.com", "invalid_format"),
        ("Ann <ann@example.com>", "invalid_format"),
        ('"ann lee"@example.com', "invalid_format"),
        ("ann@[127.0.0.1]", "invalid_format"),
        ("ann@-x.com", "invalid_format"),
        ("ann@" + "x" * 64 + ".com", "invalid_format"),
        ("an\0n@example.com", "invalid_characters"),
        ("an\ud800n@example.com", "invalid_characters"),
        ("a" * 243 + "@example.com", "too_long"),
        ("@" * 1_000_000, "too_long"),
    ],
)
def test_an_email_is_refused(address: str, code: str) -> None:
    assert refusal(fields.email, address) == code


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="aZ09-_.+@xn", min_size=3, max_size=30))
def test_the_fast_way_accepts_only_what_the_library_accepts(address: str) -> None:
    if fields._PLAIN_EMAIL.fullmatch(address):
        email_validator.validate_email(address, check_deliverability=False)


@settings(max_examples=100, deadline=None)
@given(st.emails() | st.text(max_size=20))
def test_what_is_stored_of_an_email_is_itself_valid(address: str) -> None:
    try:
        stored = fields.email(address)
    except FieldError:
        return
    assert fields.email(stored) == stored


@pytest.mark.parametrize("name", ["ann", "Ann_Lee-2", "_-_", "a.b", "no", "x" * 64])
def test_a_username_is_kept_as_it_was_typed(name: str) -> None:
    assert fields.username(name) == name


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("a", "too_short"),
        ("x" * 65, "too_long"),
        ("a\nn", "invalid_characters"),
        ("ann lee", "invalid_characters"),
        ("ann@lee", "invalid_format"),
        ("änn", "invalid_characters"),
        ("٣٣٣", "invalid_characters"),  # digits, but not ASCII's
        ("an\0n", "invalid_characters"),
        ("an\udfffn", "invalid_characters"),
    ],
)
def test_a_username_is_refused(name: str, code: str) -> None:
    assert refusal(fields.username, name) == code


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (None, None),
        ("", None),
        (" \u3000", None),
        ("  Ann Lee ", "Ann Lee"),
        ("Jose\u0301", "José"),
        ("محمد", "محمد"),
        ("می‌خواهم", "می‌خواهم"),  # Persian needs the zero-width non-joiner
        ("'=1+1", "'=1+1"),
        ("𝔄" * 100, "𝔄" * 100),
    ],
)
def test_a_full_name_is_trimmed_and_normalised(typed: str | None, stored: str | None) -> None:
    assert fields.full_name(typed) == stored


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("x" * 101, "too_long"),
        ("\u0958" * 100, "too_long"),  # twice as long in NFC
        ("Ann\nLee", "invalid_characters"),
        ("Ann\0", "invalid_characters"),
        ("Ann\u2028Lee", "invalid_characters"),
        ("Ann\u202eeeL", "invalid_characters"),
        ("Ann\ud83d", "invalid_characters"),
        ("\x1b[31mAnn", "invalid_characters"),
    ],
)
def test_a_full_name_is_refused(name: str, code: str) -> None:
    assert refusal(fields.full_name, name) == code


@pytest.mark.parametrize("password", ["8 chars!", "  spaces and\ttabs\n ", "пароль-длинный", "🔑" * 8, "x" * 128])
def test_a_password_is_kept_as_it_was_typed(password: str) -> None:
    assert fields.password(password) == password


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("seven77", "too_short"),
        ("🔑" * 7, "too_short"),
        ("x" * 129, "too_long"),
        ("password123", "too_common"),
        ("PassWord1", "too_common"),
        ("12345678", "too_common"),
        ("with\0nul", "invalid_characters"),
        ("with\ud800half", "invalid_characters"),
    ],
)
def test_a_password_is_refused(password: str, code: str) -> None:
    assert refusal(fields.password, password) == code


def test_a_refusal_never_quotes_the_password() -> None:
    with pytest.raises(FieldError) as caught:
        fields.password("qwertyuiop")
    assert "qwertyuiop" not in str(caught.value)


@pytest.mark.parametrize("word", ["true", "YES", "1", "false", "No", "0"])
def test_words_for_booleans(word: str) -> None:
    assert fields.flag(word) is (word.lower() in {"true", "yes", "1"})


@pytest.mark.parametrize("word", ["", "maybe", "on", "2", "TRUE "])
def test_other_words_are_no_booleans(word: str) -> None:
    assert refusal(fields.flag, word) == "invalid_format"


def test_a_sign_up_time_is_converted_to_utc() -> None:
    time = fields.sign_up_time("2026-01-01T00:30:00+02:00", now=NOW)
    assert time == datetime(2025, 12, 31, 22, 30, tzinfo=UTC)
    assert time.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("time", "code"),
    [
        ("yesterday", "invalid_format"),
        ("2026-01-01", "invalid_format"),
        ("2026-01-01T00:00:00", "invalid_format"),
        ("2026-03-11T12:00:01Z", "out_of_range"),
        ("1969-12-31T23:59:59Z", "out_of_range"),
        ("0001-01-01T00:00:00+14:00", "out_of_range"),
        ("9999-12-31T23:59:59-12:00", "out_of_range"),
    ],
)
def test_a_sign_up_time_is_refused(time: str, code: str) -> None:
    assert refusal(lambda value: fields.sign_up_time(value, now=NOW), time) == code


def test_a_row_becomes_a_user() -> None:
    row = {
        "id": 7,
        "email": "ann@example.com",
        "username": "ann",
        "full_name": " Ann ",
        "password": "a long one",
        "is_active": False,
        "created_at": "2026-01-01T00:00:00+00:00",
        "updated_at": "whatever",
        "last_login_at": "whatever",
    }
    joined = datetime(2026, 1, 1, tzinfo=UTC)
    expected = NewUser("ann@example.com", "ann", "Ann", "a long one", is_active=False, is_superuser=False, created_at=joined)
    new = fields.new_user(row, now=NOW)
    assert new == replace(expected, restored=Restored(id=7))
    assert new.given >= {"full_name", "is_active", "created_at"}
    assert "is_superuser" not in new.given


def problems(row: dict[str, Any], *, text: bool = False) -> set[tuple[str, str]]:
    with pytest.raises(ValidationFailed) as caught:
        fields.new_user(row, now=NOW, text=text)
    return {(problem.field, problem.type) for problem in caught.value.problems}


def test_a_row_names_every_problem_at_once() -> None:
    row = {
        "username": None,
        "full_name": 1.5,
        "password": "short",
        "is_active": 1,
        "is_superuser": None,
        "created_at": "then",
        "shoe_size": 43,
    }
    assert problems(row) == {
        ("email", "missing"),
        ("username", "null"),
        ("full_name", "invalid_type"),
        ("password", "too_short"),
        ("is_active", "invalid_type"),
        ("is_superuser", "null"),
        ("created_at", "invalid_format"),
        ("shoe_size", "unknown_field"),
    }


def test_a_row_has_a_password_or_a_hash() -> None:
    row = {"email": "a@b.de", "username": "ann", "password": "a long one", "password_hash": "$2b$04$" + "." * 53}
    assert ("password_hash", "not_both") in problems(row)


def test_booleans_of_a_text_file_are_words() -> None:
    row: dict[str, Any] = {"email": "a@b.de", "username": "ann", "is_active": "no"}
    assert fields.new_user(row, now=NOW, text=True).is_active is False
    assert problems({**row, "is_active": True}, text=True) == {("is_active", "invalid_type")}
    assert problems(row) == {("is_active", "invalid_type")}
