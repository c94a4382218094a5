"""What is equal: the rules in Python, and the same rules in the database, held against Unicode's own data."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from rollcall.models.user import name_key
from rollcall.services import normalization

BUCHER = "info@bücher.example"


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("ann", "ann"),
        ("  Ann\t", "Ann"),
        ("\u3000ann\u00a0", "ann"),
        ("Ann@Example.ORG", "Ann@example.org"),
        ("info@BÜCHER.example", BUCHER),
        ("info@xn--bcher-kva.example", BUCHER),
        ("info@XN--BCHER-KVA.Example", BUCHER),
        ("info@bu\u0308cher.example", BUCHER),
        ("jo\u0308rg@example.org", "jörg@example.org"),
        ("info@straße.example", "info@straße.example"),  # not strasse.example, which is somebody else's
        ("x@xn--0.example", "x@xn--0.example"),  # no Punycode: nobody has it
        ("x@" + "a" * 70 + "ü.example", "x@" + "a" * 70 + "ü.example"),
    ],
)
def test_a_name_as_it_is_stored(typed, stored):
    assert normalization.name(typed) == stored


def keys(engine, *names):
    with engine.connect() as connection:
        return [connection.scalar(select(name_key(name))) for name in names]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("IVAN1", "ivan1"),
        ("Élise@example.org", "élise@example.org"),
        ("E\u0301lise@example.org", "élise@example.org"),
        ("ΟΔΟΣ@example.gr", "οδος@example.gr"),
        ("ΟΔΟΣ@example.gr", "οδοσ@example.gr"),
        ("info@xn--bcher-kva.example", BUCHER),
        ("info@mail.XN--BCHER-KVA.example", "info@mail.bücher.example"),
        ("İvan@example.org", "ivan@example.org"),
        ("\u212aelvin@example.org", "kelvin@example.org"),
        ("𐐀@example.org", "𐐨@example.org"),
    ],
)
def test_names_with_one_key(engine, one, other):
    first, second = keys(engine, one, other)
    assert first == second


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ıvan@example.org", "ivan@example.org"),
        ("straße@example.org", "strasse@example.org"),
        ("elise@example.org", "élise@example.org"),
        ("xn--bcher-kva", "bücher"),  # a username is no domain
        ("xn--bcher-kva@example.org", "bücher@example.org"),
    ],
)
def test_names_with_two_keys(engine, one, other):
    first, second = keys(engine, one, other)
    assert first != second


def test_every_letter_of_unicode_is_folded_as_unicode_says(engine):
    """Held against Python's data: case folding where that is one letter, else its lower case."""

    def folded(letter):
        letter = unicodedata.normalize("NFC", letter)
        forms = (form for form in (letter.casefold(), letter.lower()) if len(form) == 1)
        return "i" if letter == "İ" else unicodedata.normalize("NFC", next(forms, letter))

    # Letters that Unicode 14 has; those of later versions are equal to nothing but themselves.
    known = [chr(code) for code in range(0x80, 0x30000) if unicodedata.ucd_3_2_0.category(chr(code)) not in ("Cn", "Cs")]
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT letter, user_name_key(letter) FROM unnest(CAST(:letters AS text[])) AS letter"), {"letters": known}
        )
        wrong = [(f"{ord(letter):X}", key) for letter, key in rows if len(letter) == 1 and key != folded(letter)]
    assert wrong == []


@settings(max_examples=300, deadline=None)
@given(label=st.text(st.characters(min_codepoint=0x61, max_codepoint=0x2FFFF, categories=["L", "N"]), min_size=1, max_size=20))
def test_punycode_is_read_as_python_reads_it(engine, label):
    domain = unicodedata.normalize("NFC", label.casefold())
    coded = "xn--" + domain.encode("punycode").decode()
    if not domain.isascii():
        first, second = keys(engine, f"a@{coded}.example", f"a@{domain}.example")
        assert first == second


@settings(max_examples=300, deadline=None)
@given(tail=st.text("abz019-", max_size=60))
def test_what_is_no_punycode_is_a_name_too(engine, tail):
    [key] = keys(engine, f"a@xn--{tail}.example")
    assert key.startswith("a@")
    assert key.endswith(".example")


@settings(max_examples=200, deadline=None)
@given(name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40))
def test_a_key_is_its_own_key_and_that_of_the_stored_form(engine, name):
    key, stored = keys(engine, name.strip(), normalization.name(name))
    assert keys(engine, key) == [key]
    if "@" not in name:
        assert stored == key
