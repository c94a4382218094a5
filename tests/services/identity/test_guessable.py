"""What an attacker tries first is refused; passphrases and random passwords are not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.services.identity.guessable import COMMON_PASSWORDS, is_common, is_personal

MARIA = ("maria", "m.rossi@acme.example", "Mária Rossi-Bianchi")


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "PASSWORD1",
        "Welcome123!",
        "Password1!",
        "P@ssw0rd1!",
        "Pa$$w0rd2024",
        "Summer2025",
        "$ummer2025",
        "2025-Winter!",
        "Winter123456789",
        "October2026!!!",
        "Sommer2025!",
        "Passwort1!",
        "Contraseña1",
        "letmein99",
        "Qwerty!!!!",
        "ＰＡＳＳＷＯＲＤ１",
    ],
)
def test_what_everybody_tries_is_common(password: str) -> None:
    assert is_common(password)


@pytest.mark.parametrize(
    "password",
    [
        "correct-horse-battery",
        "Velvet-Otter-31",
        "passphrase-1",
        "summer in the mountains",
        "dragon-8461-0937",
        "x" * 128,
        "8 chars!",
        "пароль-длинный",
        "kX9$vQ2m",
    ],
)
def test_what_takes_more_than_a_word_is_not(password: str) -> None:
    assert not is_common(password)
    assert not is_personal(password, MARIA)


@pytest.mark.parametrize(
    "password",
    [
        "maria2024!",
        "M4r1a2024",
        "Mária-2024",
        "maria.rossi",
        "RossiBianchi1",
        "m.rossi@acme.example",
        "M.ROSSI@ACME.EXAMPLE1",
        "mrossi123456",
        "Acme2025!",
        "WelcomeMaria1",
        "MariaMaria",
        "Rollcall1!",
        "rollcall-admin",
        "R0llc@ll2026",
    ],
)
def test_what_is_made_of_the_own_name_or_address_is_personal(password: str) -> None:
    assert is_personal(password, MARIA)


@pytest.mark.parametrize(
    "password", ["maria-loves-long-walks", "calls were rolled 4 times", "marianne.faithfull", "acmeology-2025"]
)
def test_a_name_among_other_words_is_not(password: str) -> None:
    assert not is_personal(password, MARIA)


def test_a_number_as_a_name_is_one() -> None:
    assert is_personal("84619372", ("84619372", "a@b.example", None))


def test_names_of_two_letters_say_nothing() -> None:
    assert not is_personal("alalalal", ("al", "al@x.test", None))


def test_the_list_itself_is_refused() -> None:
    assert all(is_common(password.upper()) for password in COMMON_PASSWORDS)


UNCOMMON = st.sampled_from(["otter", "granite", "lark", "velvet", "walrus", "teapot", "lantern", "meadow", "gravel", "pickle"])


@settings(max_examples=300, deadline=None)
@given(st.lists(UNCOMMON, min_size=2, max_size=6, unique=True), st.sampled_from([" ", "-", "."]), st.integers(0, 999_999))
def test_passphrases_are_never_refused(words: list[str], between: str, number: int) -> None:
    password = f"{between.join(words)}{between}{number}"
    assert not is_common(password)
    assert not is_personal(password, MARIA)
