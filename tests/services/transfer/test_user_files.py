"""Files of other systems as our fields: sources, encodings, times, packed files, and what is said about the whole file."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from facts import NOON
from rollcall.errors import FieldError, ValidationFailed
from rollcall.services.transfer import choices, encodings, import_times, unpacking
from rollcall.services.transfer.reading import Reading
from rollcall.services.transfer.row_files import Row, RowProblem
from rollcall.services.transfer.user_files import UserFile

BLOB = "AQAAAAEAACcQAAAAEK5QeLT7Mv0oq3pVYlRr9J0yP8jQ8X2bq0Qx0mF0n0s1x2y3z4A5B6C7D8E9F0G1H2=="


LDIF = (
    "version: 1\n\ndn: ou=people,dc=x\nobjectClass: organizationalUnit\nou: people\n\n# a person\ndn: cn=Ann Lee,dc=x\n"
    "objectClass: top\nobjectClass: user\nsAMAccountName: ann\nmail: a@\n b.de\ncn:: QW5uIEzDqWU=\nuserAccountControl: 514\n"
    "whenCreated: 20210304050607.0Z\n"
)


def read(content: str | bytes, **choice: Any) -> tuple[UserFile, list[Row], list[tuple[int, str, str]]]:
    data = content.encode() if isinstance(content, str) else content
    file = UserFile(io.BytesIO(data), Reading(**choice), now=NOON)
    found = list(file.rows())
    rows = [row for row in found if isinstance(row, Row)]
    problems = [(each.line, each.field, each.type) for each in found if isinstance(each, RowProblem)]
    problems += [(row.line, each.field, each.type) for row in rows for each in row.problems]
    return file, rows, problems


def values(content: str | bytes, **choice: Any) -> list[dict[str, Any]]:
    _, rows, problems = read(content, **choice)
    assert problems == []
    return [dict(row.values) for row in rows]


def source(content: str | bytes) -> str:
    description = read(content)[0].description
    assert description is not None
    return description.source.name


SOURCES: list[tuple[str, str, dict[str, Any]]] = [
    (
        "kratos",
        json.dumps(
            [
                {
                    "schema_id": "default",
                    "state": "inactive",
                    "traits": {"email": "a@b.de", "name": {"first": "Ann", "last": "Lee"}},
                    "credentials": {"password": {"config": {"hashed_password": "$2a$08$x"}}},
                    "created_at": "2021-03-04T05:06:07Z",
                }
            ]
        ),
        {
            "email": "a@b.de",
            "username": "a@b.de",
            "full_name": "Ann Lee",
            "password_hash": "$2a$08$x",
            "is_active": False,
            "created_at": "2021-03-04T05:06:07Z",
        },
    ),
    (
        "okta",
        json.dumps(
            [{"status": "SUSPENDED", "profile": {"login": "a@b.de", "email": "a@b.de", "firstName": "Ann", "lastName": "Lee"}}]
        ),
        {"email": "a@b.de", "username": "a@b.de", "full_name": "Ann Lee", "is_active": False},
    ),
    (
        "discourse",
        "name,username,email,trust_level,active,suspended_till,created_at\nAnn,ann,a@b.de,1,true,2999-01-01,2021-03-04 05:06\n",
        {
            "email": "a@b.de",
            "username": "ann",
            "full_name": "Ann",
            "is_active": False,
            "created_at": "2021-03-04T05:06:00+00:00",
        },
    ),
    (
        "aspnet",
        f"Id,UserName,NormalizedUserName,Email,PasswordHash,SecurityStamp,LockoutEnd\n1,ann,ANN,a@b.de,{BLOB},X,\n",
        {"email": "a@b.de", "username": "ann", "password_hash": f"{{ASPNET}}{BLOB}"},
    ),
    (
        "nextcloud",
        json.dumps(
            {"ann": {"user_id": "ann", "display_name": "Ann", "email": "a@b.de", "enabled": False, "last_seen": "x"}}, indent=1
        ),
        {"email": "a@b.de", "username": "ann", "full_name": "Ann", "is_active": False},
    ),
    (
        "pocketbase",
        json.dumps(
            {"page": 1, "items": [{"collectionName": "users", "emailVisibility": True, "email": "a@b.de", "name": "Ann"}]}
        ),
        {"email": "a@b.de", "username": "a@b.de", "full_name": "Ann"},
    ),
    (
        "devise",
        "id,email,encrypted_password,deleted_at\n1,a@b.de,$2a$12$x,2021-03-04\n",
        {"email": "a@b.de", "username": "a@b.de", "password_hash": "$2a$12$x", "is_active": False},
    ),
    (
        "ldif",
        LDIF,
        {
            "email": "a@b.de",
            "username": "ann",
            "full_name": "Ann Lée",
            "is_active": False,
            "created_at": "2021-03-04T05:06:07+00:00",
        },
    ),
    (
        "table",
        "Vorname;Nachname;E-Mail;Aktiv\nAnn;Lee;a@b.de;nein\n",
        {"email": "a@b.de", "username": "a@b.de", "full_name": "Ann Lee", "is_active": False},
    ),
    ("table", "Prénom;Nom;Courriel\nAnn;Lee;a@b.de\n", {"email": "a@b.de", "username": "a@b.de", "full_name": "Ann Lee"}),
    ("table", "mail,login,Blocked\na@b.de,ann,yes\n", {"email": "a@b.de", "username": "ann", "is_active": False}),
]


@pytest.mark.parametrize(("name", "content", "expected"), SOURCES, ids=[f"{n}-{each[0]}" for n, each in enumerate(SOURCES)])
def test_a_source_is_recognised_and_its_fields_understood(name: str, content: str, expected: dict[str, Any]) -> None:
    assert source(content) == name
    assert values(content) == [expected]


def test_htpasswd_users_get_an_address_by_a_mapping() -> None:
    content = "# people\nann:$2y$05$abcdefghijklmnopqrstuv\n"
    [row] = values(content, mapping={"email": 'user+"@b.de"'})
    assert row == {"email": "ann@b.de", "username": "ann", "password_hash": "$2y$05$abcdefghijklmnopqrstuv"}


def test_keys_that_later_rows_have_count_as_well() -> None:
    """Auth0 writes ``blocked`` only for those who are."""
    rows = [{"user_id": f"auth0|{n}", "identities": [], "email": f"u{n}@b.de"} for n in range(300)]
    rows[250]["blocked"] = True
    found = values("\n".join(map(json.dumps, rows)))
    assert [n for n, row in enumerate(found) if row.get("is_active") is False] == [250]


def test_an_unknown_column_is_named_once_and_hides_no_row() -> None:
    _, rows, problems = read("email,username,shoe size\na@b.de,ann,44\nb@b.de,bob,\n")
    assert problems == [(1, "shoe size", "unknown_field")]
    assert len(rows) == 2


def test_unknown_columns_may_be_ignored_or_mapped() -> None:
    content = "email,username,Team\na@b.de,ann,Blue\n"
    plain = {"email": "a@b.de", "username": "ann"}
    assert values(content, ignored=frozenset({"TEAM"})) == [plain]
    assert values(content, ignore_unknown=True) == [plain]
    assert values(content, mapping={"full_name": "username+Team"}) == [plain | {"full_name": "ann Blue"}]


def test_two_columns_of_addresses_are_ambiguous() -> None:
    content = "Mail,E-Mail privat,Courriel\na@b.de,x@b.de,c@b.de\n"
    assert (1, "email", "ambiguous") in read(content)[2]
    assert values(content, mapping={"email": "Mail"}, ignore_unknown=True)[0]["email"] == "a@b.de"


def test_yes_and_no_of_most_people_have_to_be_confirmed() -> None:
    content = "email,is_active\na@b.de,No\nb@b.de,Yes\n"
    assert read(content)[2] == [(1, "is_active", "ambiguous")]
    assert [row["is_active"] for row in values(content, mapping={"is_active": "!is_active"})] == [True, False]
    assert [row["is_active"] for row in values(content, mapping={"is_active": "is_active"})] == [False, True]


@pytest.mark.parametrize("choice", [{"mapping": {"email": "Nowhere"}}, {"mapping": {"shoe": "email"}}, {"source": "elsewhere"}])
def test_a_choice_of_what_there_is_not_is_refused(choice: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed):
        read("email\na@b.de\n", **choice)


def test_a_garbled_name_is_refused_unless_it_is_confirmed() -> None:
    content = "email,full_name\na@b.de,JosÃ© MÃ¼ller\nb@b.de,Ã\n"
    assert read(content)[2] == [(2, "full_name", "garbled")]
    assert read(content, encoding="utf-8")[2] == []


@pytest.mark.parametrize(
    "name",
    ["José Müller", "Hélène Œuvre", "Jürgen Groß", "Søren Kjær", "Muñoz", "João", "Åsa Öberg", "Zoë", "François"],
)
def test_western_names_in_windows_1252_are_certain(name: str) -> None:
    content = f"email;full_name\na@b.de;{name}\n".encode("cp1252")
    assert encodings.survey(io.BytesIO(content)).encoding == "cp1252"


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("Dvořák", "cp1250"),
        ("Kovačević", "cp1250"),
        ("Łukasz Świąć", "cp1250"),
        ("Erdős", "cp1250"),
        ("Gdańska", "cp1250"),
        ("Иван Петров", "cp1251"),
        ("Γιώργος", "cp1253"),
        ("Işık Şahin", "cp1254"),
        ("José Müller", "mac_roman"),
        ("José Müller", "cp850"),
        ("Göran", "mac_roman"),
        ("花子", "shift_jis"),
        ("王小明", "gb18030"),
        ("김철수", "euc_kr"),
    ],
)
def test_names_of_other_encodings_are_never_guessed(name: str, encoding: str) -> None:
    content = f"email;full_name\na@b.de;{name}\n".encode(encoding)
    assert [problem[2] for problem in read(content)[2]] == ["invalid_encoding"]
    assert values(content, encoding=encoding)[0]["full_name"] == name


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
def test_unicode_in_any_form_is_certain(encoding: str) -> None:
    assert values("email\tfull_name\na@b.de\tZoë 山田\n".encode(encoding))[0]["full_name"] == "Zoë 山田"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021-03-04T05:06:07Z", "2021-03-04T05:06:07+00:00"),
        ("2021-03-04 05:06:07.1+00", "2021-03-04T05:06:07.100000+00:00"),
        ("2021-03-04 05:06:07.1234567 +01:00", "2021-03-04T05:06:07.123456+01:00"),
        ("2021-03-04T05:06:07+0100", "2021-03-04T05:06:07+01:00"),
        ("2021-03-04 05:06:07 UTC", "2021-03-04T05:06:07+00:00"),
        ("2021/03/04 05:06", "2021-03-04T05:06:00+01:00"),
        ("2021-03-04", "2021-03-04T00:00:00+01:00"),
        ("04.03.2021 05:06", "2021-03-04T05:06:00+01:00"),
        ("20210304050607Z", "2021-03-04T05:06:07+00:00"),
        ("20210304050607.0Z", "2021-03-04T05:06:07+00:00"),
        ("1614834367", "2021-03-04T05:06:07+00:00"),
        ("1614834367123", "2021-03-04T05:06:07.123000+00:00"),
        ("Thu, 04 Mar 2021 05:06:07 GMT", "2021-03-04T05:06:07+00:00"),
        ("25/12/2021 5:06 PM", "2021-12-25T17:06:00+01:00"),
        ("Never", None),
        ("0000-00-00 00:00:00", None),
    ],
)
def test_times_of_other_systems(text: str, expected: str | None) -> None:
    found = import_times.read(text, ZoneInfo("Europe/Berlin"))
    assert (found and found.isoformat()) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("3/4/2021", "ambiguous"),
        ("44259.2126", "invalid_format"),
        ("1.61483E+12", "invalid_format"),
        ("soon", "invalid_format"),
        ("2021-13-04", "invalid_format"),
    ],
)
def test_times_that_are_not_certain_are_refused(text: str, code: str) -> None:
    with pytest.raises(FieldError) as refusal:
        import_times.read(text, UTC)
    assert refusal.value.type == code


def test_other_dates_of_a_column_tell_which_number_is_the_month() -> None:
    content = "email,created\na@b.de,3/4/2021\nb@b.de,25/4/2021\n"
    assert [row["created_at"] for row in values(content, timezone=UTC)] == [
        "2021-04-03T00:00:00+00:00",
        "2021-04-25T00:00:00+00:00",
    ]
    assert read(content)[2] == [(2, "created_at", "no_timezone")]


def workbook(*rows: tuple[object, ...]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.create_sheet("Notes").append(("nothing",))
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def test_a_workbook_is_read() -> None:
    content = workbook(
        ("Users of 2021",),
        ("E-Mail", "Name", "Aktiv", "Erstellt am", "Nr."),
        ("a@b.de", "Zoë", True, datetime(2021, 3, 4, 5, 6), 1),  # noqa: DTZ001
        (None, None),
        ("b@b.de", None, "nein", "2021-03-04T05:06:07Z", 2),
    )
    first, second = values(content, timezone=UTC)
    assert first == {
        "email": "a@b.de",
        "username": "a@b.de",
        "full_name": "Zoë",
        "is_active": True,
        "created_at": "2021-03-04T05:06:00+00:00",
    }
    assert (second["email"], second["is_active"]) == ("b@b.de", False)
    assert [row.line for row in read(content, timezone=UTC)[1]] == [3, 5]


def packed(parts: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (packed({"users.csv": b"email\na@b.de\n"}), "invalid_format"),
        (packed({"xl/workbook.xml": b"<workbook/>"}), "invalid_format"),
        (packed({"xl/workbook.xml": b"x", "xl/sharedStrings.xml": bytes(70 << 20)}), "too_long"),
        (workbook(("email",), ("a@b.de",))[:2_000], "invalid_format"),
        (gzip.compress(b"email\na@b.de\n")[:-9], "invalid_format"),
        (b"<html><table>", "invalid_format"),
        (b"SQLite format 3\0", "invalid_format"),
    ],
    ids=["an archive", "a bare workbook", "a bomb", "half a workbook", "half a gzip", "a page", "a database"],
)
def test_what_is_no_file_of_users_is_refused_by_name(content: bytes, code: str) -> None:
    assert read(content)[2] == [(1, "", code)]


def test_what_a_packed_file_unpacks_to_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED", 1_000_000)
    content = gzip.compress(b"email\n" + b"a@b.de\n" * 1_000_000)
    assert read(content)[2] == [(1, "", "too_long")]


def test_the_choices_of_a_person_are_checked() -> None:
    assert choices.mapping(["full_name=First+Last", "is_active=!blocked"]) == {"full_name": "First+Last", "is_active": "!blocked"}
    console = "hash_config {\n base64_signer_key: aB+/==,\n base64_salt_separator: Bw==,\n rounds: 8,\n mem_cost: 14,\n}"
    expected = {"base64_signer_key": "aB+/==", "base64_salt_separator": "Bw==", "rounds": "8", "mem_cost": "14"}
    assert choices.hash_config(console) == expected
    assert choices.hash_config(json.dumps(expected | {"rounds": 8})) == expected
    for check, wrong in (
        (choices.encoding, "utf-99"),
        (choices.encoding, "hex"),
        (choices.timezone, "Mars/Olympus"),
        (choices.timezone, "../etc"),
        (choices.source, "x"),
        (choices.hash_config, "rounds: 8"),
        (lambda text: choices.mapping([text]), "email"),
        (lambda text: choices.mapping([text]), "shoe=size"),
    ):
        with pytest.raises(ValidationFailed):
            check(wrong)


def test_firebase_needs_its_parameters_once() -> None:
    content = json.dumps(
        {"users": [{"localId": f"{n}", "email": f"u{n}@b.de", "passwordHash": "aa==", "salt": "bb=="} for n in range(3)]}
    )
    assert read(content)[2] == [(1, "password_hash", "no_hash_config")]
    config = {"base64_signer_key": "K==", "base64_salt_separator": "Bw==", "rounds": "8", "mem_cost": "14"}
    assert values(content, hash_config=config)[0]["password_hash"] == "$firescrypt$ln=14,r=8,p=1$bb==$aa==$Bw==$K=="
