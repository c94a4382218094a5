"""CSV that a spreadsheet program opens: no cell is a formula, whatever its list separator, and an import undoes the guard."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facts import NOON
from rollcall.services.transfer.exports import guarded, unguarded, write_cells
from rollcall.services.transfer.reading import Reading
from rollcall.services.transfer.row_files import Row
from rollcall.services.transfer.user_files import UserFile

FORMULA = re.compile(r'[\s"]*[=+\-@＝＋－＠]')
# Of what could go wrong, and little else.
TEXT = st.text(st.sampled_from(list("a =+-@'\";,|\t＝é")), max_size=12)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("x;=cmd|' /C calc'!A0", "x;'=cmd|' /C calc'!A0"),
        ("=1+1", "'=1+1"),
        ("'=1", "''=1"),
        ("x; =1", "x; '=1"),
        ('x;"=1', "x;\"'=1"),
        ("a\t-2", "a\t'-2"),
        ("a,@b;+c", "a,'@b;'+c"),
        ("two\nlines\r\n=1", "two\nlines\r\n'=1"),
        ("Ann-Lee; Bob", "Ann-Lee; Bob"),
        ("O'Brien, 't Hooft", "O'Brien, 't Hooft"),
    ],
)
def test_a_formula_is_guarded_wherever_a_cell_may_begin(text: str, cell: str) -> None:
    assert guarded(text) == cell
    assert unguarded(cell) == text


@settings(max_examples=1_000, deadline=None)
@given(TEXT)
def test_an_import_takes_off_exactly_what_an_export_puts_on(text: str) -> None:
    assert unguarded(guarded(text)) == text


@settings(max_examples=500, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4), st.sampled_from([",", ";", "\t"]), st.sampled_from([",", ";", "\t"]))
def test_no_separator_makes_a_formula(cells: list[str], written: str, read: str) -> None:
    line = write_cells([["name", *cells]], written)
    for row in csv.reader(io.StringIO(line, newline=""), delimiter=read):
        assert not [cell for cell in row if FORMULA.match(cell)]


def test_a_cell_with_another_separator_is_quoted() -> None:
    assert write_cells([["x;y", "z"], ["x", "y z"]]) == '"x;y","z"\r\nx,y z\r\n'


@settings(max_examples=300, deadline=None)
@given(TEXT, st.booleans())
def test_a_file_that_was_exported_is_imported_as_it_was(name: str, mark: bool) -> None:
    name = name.strip()
    content = write_cells([("email", "username", "full_name"), ("a@b.de", "ann", name)])
    source = io.BytesIO(content.encode("utf-8-sig" if mark else "utf-8"))
    [row] = UserFile(source, Reading(), now=NOON).rows()
    assert isinstance(row, Row)
    assert row.values.get("full_name", "") == name
