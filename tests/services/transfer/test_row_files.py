"""Reading files of users: what spreadsheets and other programs write, and everything that can be wrong with a file."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from facts import NOON
from rollcall.services.transfer import exports
from rollcall.services.transfer.reading import FileFormat, Reading
from rollcall.services.transfer.row_files import Row, RowProblem, read_rows
from rollcall.services.transfer.user_files import UserFile

HEADER = "email,username,full_name\n"


def read(content: str | bytes, file_format: str = "csv") -> list[Row | RowProblem]:
    data = content.encode() if isinstance(content, str) else content
    return list(read_rows(io.BytesIO(data), Reading(FileFormat(file_format))))


def mapped(content: str | bytes, file_format: str = "csv") -> list[Row | RowProblem]:
    data = content.encode() if isinstance(content, str) else content
    return list(UserFile(io.BytesIO(data), Reading(FileFormat(file_format)), now=NOON).rows())


def rows(content: str | bytes, file_format: str = "csv") -> list[tuple[int, dict[str, Any]]]:
    found = mapped(content, file_format) if file_format == "csv" else read(content, file_format)
    assert all(isinstance(row, Row) for row in found), found
    return [(row.line, dict(row.values)) for row in found if isinstance(row, Row)]


def problems(content: str | bytes, file_format: str = "csv") -> list[tuple[int, str, str]]:
    found = mapped(content, file_format)
    return [(problem.line, problem.field, problem.type) for problem in found if isinstance(problem, RowProblem)]


def test_csv_rows_have_the_lines_on_which_they_start() -> None:
    content = HEADER + 'a@b.de,ann,"Ann\nLee"\n\nc@d.de,cid,\n'
    assert rows(content) == [
        (2, {"email": "a@b.de", "username": "ann", "full_name": "Ann\nLee"}),
        (5, {"email": "c@d.de", "username": "cid"}),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_delimiters_and_line_ends(delimiter: str, end: str) -> None:
    lines = ["email,username", 'a@b.de,"an""n"', "c@d.de,cid"]
    content = end.join(lines).replace(",", delimiter)
    assert [row["username"] for _, row in rows(content)] == ['an"n', "cid"]


def test_csv_columns_come_in_any_order_and_case() -> None:
    assert rows(" Username ;E-Mail;EMAIL\n".replace("E-Mail;", "") + "ann;a@b.de") == [
        (2, {"email": "a@b.de", "username": "ann"})
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_csv_encodings(encoding: str) -> None:
    content = (HEADER + "a@b.de,ann,Jürgen Groß €\n").encode(encoding)
    assert rows(content)[0][1]["full_name"] == "Jürgen Groß €"


def test_csv_white_space_is_taken_off_but_not_off_passwords() -> None:
    content = "email,username,password\n  a@b.de , ann ,  eight chars  \n"
    assert rows(content) == [(2, {"email": "a@b.de", "username": "ann", "password": "  eight chars  "})]


def test_csv_an_apostrophe_before_a_formula_is_taken_off_but_not_off_passwords() -> None:
    content = "email,username,full_name,password\n'+a@b.de,'-ann,'''=x,'=secret word\n'a@b.de,ann,'x,\n"
    assert [row for _, row in rows(content)] == [
        {"email": "+a@b.de", "username": "-ann", "full_name": "''=x", "password": "'=secret word"},
        {"email": "'a@b.de", "username": "ann", "full_name": "'x"},
    ]


def test_csv_empty_rows_are_skipped() -> None:
    assert rows("\n \n" + HEADER + "\n,,\n ,, \na@b.de,ann,\n\n") == [(7, {"email": "a@b.de", "username": "ann"})]


def test_csv_with_a_header_alone_has_no_rows() -> None:
    assert read(HEADER) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", [(1, "", "empty_file")]),
        (b"\xef\xbb\xbf\r\n \n", [(1, "", "empty_file")]),
        ("username,full_name\n", [(1, "email", "missing")]),
        ("email,username,email\n", [(1, "email", "duplicate")]),
        ("email,username,shoe size\n", [(1, "shoe size", "unknown_field")]),
        (
            "mara@example.org,mara-x,Mara Lind,Velvet-Otter-31\nbob@example.org,bob-two,Bob,Granite-Lark-72\n",
            [(1, "", "no_header")],
        ),
        ('[{"email": "a@b.de", "username": "ann", "password": "Velvet-Otter-31"}]', [(1, "", "no_header")]),
        ("Post;Zugang;Geheim\n", [(1, "", "no_header")]),
        (
            "email,username,31.12.2025,,$2a$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe\na@b.de,ann,1,2,3\n",
            [(1, f"column {number}", "unknown_field") for number in (3, 4, 5)],
        ),
        (
            "email,username," + "x" * 61 + "," + "a" * 32 + "\na@b.de,ann,1,2\n",
            [(1, "column 3", "unknown_field"), (1, "column 4", "unknown_field")],
        ),
        (HEADER + "a@b.de,ann\nc@d.de,cid,Cid,x\n", [(3, "", "invalid_syntax")]),
        ("email,username,password\na@b.de,ann\n", [(2, "", "invalid_syntax")]),
        (HEADER + 'a@b.de,ann,"x\ny"\nc@d.de,cid,"open\nd@e.de,dan,\n', [(4, "", "invalid_syntax")]),
        (HEADER + 'c@d.de,cid,"open\nd@e.de,dan,"Dan"\n', [(2, "", "invalid_syntax")]),
        (HEADER + 'c@d.de,"cid\n","open\n' + "x,y,z\n" * 100_000, [(3, "", "too_long")]),
        (HEADER + "a@b.de,ann," + "x" * 2_000_000, [(2, "", "too_long")]),
        (HEADER.encode() + "a@b.de,ann,Jürgen\n".encode() + b"c@d.de,cid,J\xfcrgen\n", [(3, "", "invalid_encoding")]),
        (HEADER.encode() + b"c@d.de,cid,J\xfcrgen\nd@e.de,dan,\x81\n", [(2, "", "invalid_encoding")]),
    ],
)
def test_csv_problems(content: str | bytes, expected: list[tuple[int, str, str]]) -> None:
    assert problems(content) == expected


@pytest.mark.parametrize("indent", [None, 2])
def test_json_rows(indent: int | None) -> None:
    users = [{"email": "a@b.de", "full_name": "Ann\nJürgen 🐎", "is_active": True}, {"email": None, "roles": [{}, []]}]
    found = rows(json.dumps(users, indent=indent, ensure_ascii=False), "json")
    assert [row for _, row in found] == users
    assert [line for line, _ in found] == ([1, 1] if indent is None else [2, 7])


def test_json_longer_than_a_chunk() -> None:
    users = [{"email": f"user{number}@b.de", "full_name": "ü" * (number % 300)} for number in range(5_000)]
    assert [row for _, row in rows(json.dumps(users, ensure_ascii=False), "json")] == users


@pytest.mark.parametrize("content", ["[]", " \n[ ] \n", "\ufeff[]"])
def test_json_without_users(content: str) -> None:
    assert read(content, "json") == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", [(1, "", "empty_file")]),
        ('{"a": [{}], "b": [{}]}', [(1, "", "ambiguous")]),
        ('"text"', [(1, "", "invalid_syntax")]),
        ('[1, "x", null, [], {"id": 1}]', [(1, "", "invalid_type")] * 4),
        ('[{"email": "a", "email": "b"}]', [(1, "email", "duplicate")]),
        ('[{},\n{"email": "a@', [(2, "", "invalid_syntax")]),
        ("[{},\n{}", [(2, "", "invalid_syntax")]),
        ("[{},\n]", [(2, "", "invalid_syntax")]),
        ("[{}\n{}]", [(2, "", "invalid_syntax")]),
        ("[{}]\n[]", [(2, "", "invalid_syntax")]),
        ('[{"email":\n nope}]', [(2, "", "invalid_syntax")]),
        ("[{},\nNaN]", [(2, "", "invalid_syntax")]),
        ("[" * 100_000, [(1, "", "invalid_syntax")]),
        ('[{},\n{"a":' + "[" * 100_000 + "]" * 100_000 + "}]", [(2, "", "invalid_syntax")]),
        ('[{},\n"' + "x" * 3_000_000, [(2, "", "invalid_syntax")]),
        (b'[{},\n{"full_name": "J\xfcrgen"}]', [(2, "", "invalid_encoding")]),
        (b"[{},\n\xff", [(2, "", "invalid_encoding")]),
    ],
)
def test_json_problems(content: str | bytes, expected: list[tuple[int, str, str]]) -> None:
    assert problems(content, "json") == expected


def test_numbers_of_any_length_are_read() -> None:
    assert len(rows('[{"id": ' + "9" * 5_000 + ', "x": -1}]', "json")) == 1


def test_ndjson_rows() -> None:
    content = '\ufeff{"email": "a@b.de"}\n\n  \r\n{"email": "c@d.de", "is_active": false}'
    assert rows(content, "ndjson") == [(1, {"email": "a@b.de"}), (4, {"email": "c@d.de", "is_active": False})]


def test_ndjson_without_users() -> None:
    assert read("", "ndjson") == []


def test_ndjson_goes_on_after_a_bad_line() -> None:
    lines = [
        b'{"id": 1}',
        b'{"email":',
        b'{"email": Infinity}',
        b"null",
        b'{"full_name": "J\xfc"}',
        b"[" * 100_000,
        b'{"email": "a", "email": "b"}',
        b'{"id": 1} {"id": 2}',
        b'{"id": 2}',
    ]
    found = read(b"\n".join(lines), "ndjson")
    assert [type(row) for row in found] == [Row, *[RowProblem] * 7, Row]
    assert problems(b"\n".join(lines), "ndjson") == [
        (2, "", "invalid_syntax"),
        (3, "", "invalid_syntax"),
        (4, "", "invalid_type"),
        (5, "", "invalid_encoding"),
        (6, "", "invalid_syntax"),
        (7, "email", "duplicate"),
        (8, "", "invalid_syntax"),
    ]


class Endless(io.RawIOBase):
    """A file that is much larger than memory should be."""

    def __init__(self, head: bytes, body: bytes, times: int) -> None:
        self._all = [*filter(None, [head]), *[body] * times]
        self.seek(0)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._chunks = iter(self._all)
        self._rest = b""
        return 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


@pytest.mark.parametrize(
    ("file_format", "head", "body"),
    [
        ("csv", HEADER.encode(), b"a@b.de,ann,Ann\n" * 1_000),
        ("ndjson", b"", b'{"email": "a@b.de"}\n' * 1_000),
        ("json", b"[{}", b',{"email": "a@b.de"}\n' * 1_000),
    ],
)
def test_memory_stays_constant(file_format: str, head: bytes, body: bytes) -> None:
    tracemalloc.start()
    try:
        source: Any = Endless(head, body, times=40)
        count = sum(1 for _ in UserFile(source, Reading(FileFormat(file_format)), now=NOON).rows())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count >= 40_000  # of 200 bytes and more each, were they kept
    assert peak < 2_000_000


def exported() -> Iterator[tuple[Any, ...]]:
    moment = datetime(2026, 3, 11, 12, 0, 0, 123456, tzinfo=UTC)
    names = [None, "Ann Lee", '=1+1|cmd "x"', "'=x", "''-x", "'x", "a,b;c", "＝x", "محمد"]
    for number, name in enumerate(names, 1):
        yield number, f"+a{number}@b.de", f"-a{number}", name, True, False, moment, moment, moment


@pytest.mark.parametrize("file_format", ["csv", "ndjson"])
def test_an_export_reads_back_exactly(file_format: exports.ExportFormat) -> None:
    content = b"".join(exports.export_rows(exported(), file_format))
    found = rows(content, file_format)
    assert [row.get("full_name") for _, row in found] == [user[3] for user in exported()]
    assert [(row["email"], row["username"]) for _, row in found] == [(user[1], user[2]) for user in exported()]
    assert {row["created_at"] for _, row in found} == {"2026-03-11T12:00:00.123456+00:00"}


def test_no_exported_cell_is_a_formula() -> None:
    content = b"".join(exports.export_rows(exported(), "csv")).decode()
    for line in content.splitlines()[1:]:
        assert not any(cell.strip('"').startswith(("=", "+", "-", "@", "＝")) for cell in line.split(","))


def test_an_export_of_nobody() -> None:
    assert list(exports.export_rows([], "ndjson")) == []
    assert list(exports.export_rows([], "csv")) == [
        b"id,email,username,full_name,is_active,is_superuser,created_at,updated_at,last_login_at\r\n"
    ]


@pytest.mark.parametrize("key", ["mara@example.org", "$2a$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe", "x" * 61])
def test_a_repeated_key_that_looks_like_data_is_not_named(key: str) -> None:
    [found] = read(f'{{"{key}": 1, "{key}": 2}}', "ndjson")
    assert isinstance(found, RowProblem)
    assert (found.field, found.type, found.message) == ("", "duplicate", "A key occurs more than once.")
