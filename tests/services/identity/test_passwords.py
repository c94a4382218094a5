"""Hashing and verifying, against published test vectors and the libraries that wrote the hashes."""

from __future__ import annotations

import base64
import hashlib
import threading
import time

import bcrypt
import pytest
from werkzeug.security import generate_password_hash

from old_hashes import OLD
from rollcall.services.identity import passwords
from rollcall.services.identity.passwords import Verdict

RFC_7914 = (
    "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
)
BCRYPT = "$2a$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe"  # "password"


def unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def django_bcrypt_sha256() -> str:
    prehashed = hashlib.sha256(b"password").hexdigest().encode()
    return "bcrypt_sha256$" + bcrypt.hashpw(prehashed, bcrypt.gensalt(4)).decode()


PBKDF2 = hashlib.pbkdf2_hmac("sha256", b"password", b"saltsalt", 1000)

FOREIGN = {
    "argon2i": ("password", "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG"),
    "bcrypt": ("password", BCRYPT),
    "bcrypt 2y": ("password", BCRYPT.replace("$2a$", "$2y$")),
    "bcrypt of Django": ("password", "bcrypt$" + BCRYPT),
    "bcrypt_sha256 of Django": ("password", django_bcrypt_sha256()),
    "scrypt of RFC 7914": (
        "pleaseletmein",
        f"$scrypt$ln=14,r=8,p=1${unpadded(b'SodiumChloride')}${unpadded(bytes.fromhex(RFC_7914))}",
    ),
    "scrypt of Werkzeug": ("password", generate_password_hash("password", "scrypt")),
    "scrypt of Django": (
        "pleaseletmein",
        "scrypt$16384$SodiumChloride$8$1$" + base64.b64encode(bytes.fromhex(RFC_7914)).decode(),
    ),
    "pbkdf2 of passlib": (
        "toomanysecrets",
        "$pbkdf2-sha256$29000$N2YMIWQsBWBMae09x1jrPQ$1t8iyB2A.WF/Z5JZv.lfCIhXXN33N23OSgQYThBYRfk",
    ),
    "pbkdf2 in PHC form": ("password", f"$pbkdf2-sha256$i=1000,l=32${unpadded(b'saltsalt')}${unpadded(PBKDF2)}"),
    "pbkdf2 of Werkzeug": ("password", generate_password_hash("password", "pbkdf2:sha512:1000")),
    "pbkdf2 of Django": ("password", f"pbkdf2_sha256$1000$saltsalt${base64.b64encode(PBKDF2).decode()}"),
    "pbkdf2 of RFC 6070": (
        "passwordPASSWORDpassword",
        "pbkdf2:sha1:4096$saltSALTsaltSALTsaltSALTsaltSALTsalt$3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038",
    ),
}


def test_a_new_hash_is_argon2id_as_owasp_recommends() -> None:
    assert passwords.hash_password("correct horse").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_hash_verifies_and_needs_no_rehash() -> None:
    stored = passwords.hash_password("correct horse 🐎")
    assert passwords.verify("correct horse 🐎", stored) == Verdict(ok=True, needs_rehash=False)
    assert passwords.verify("correct horse", stored) == Verdict(ok=False, needs_rehash=False)


def test_nothing_of_a_long_password_is_cut_off() -> None:
    stored = passwords.hash_password("x" * 127 + "y")
    assert passwords.verify("x" * 127 + "y", stored).ok
    assert not passwords.verify("x" * 128, stored).ok


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_hash_verifies_and_is_due_for_a_rehash(kind: str) -> None:
    password, stored = FOREIGN[kind]
    passwords.check_hash(stored)
    assert passwords.verify(password, stored) == Verdict(ok=True, needs_rehash=True)
    assert passwords.verify(password + "x", stored) == Verdict(ok=False, needs_rehash=False)


def test_argon2id_with_other_parameters_is_due_for_a_rehash() -> None:
    stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
    assert passwords.verify("password", stored) == Verdict(ok=True, needs_rehash=True)


def test_bcrypt_reads_72_bytes_as_it_always_did() -> None:
    stored = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert passwords.verify("x" * 100, stored).ok


@pytest.mark.parametrize("password", ["pass\0word", "pass\ud800word", "", "x" * 1_000_000])
def test_any_text_can_be_verified(password: str) -> None:
    for stored in (passwords.hash_password("correct horse"), BCRYPT, None, "rubbish"):
        assert not passwords.verify(password, stored).ok


def test_no_hash_takes_as_long_as_a_wrong_password() -> None:
    stored = passwords.hash_password("correct horse")

    def seconds(hashed: str | None) -> float:
        times = []
        for _ in range(7):
            start = time.thread_time()
            passwords.verify("wrong horse", hashed)
            times.append(time.thread_time() - start)
        return min(times)

    assert seconds(None) == pytest.approx(seconds(stored), rel=0.5)
    assert seconds("rubbish") == pytest.approx(seconds(stored), rel=0.5)
    for cheap in (OLD["ssha"][1], OLD["apr1"][1], OLD["aspnet v2"][1]):
        assert seconds(cheap) == pytest.approx(seconds(stored), rel=0.5)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "plain text",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "$6$salt$" + "x" * 86,
        "$2b$12$tooshort",
        BCRYPT + "\n",
        BCRYPT[:-1] + "ö",
        BCRYPT[:-1] + "f",  # bits that no bcrypt sets
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$" + "A" * 43,  # a salt of four bytes
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$AAAA",
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$" + "A" * 41,
        "$argon2id$v=20$m=19456,t=2,p=1$c29tZXNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=8,t=2,p=2$c29tZXNhbHQ$" + "A" * 43,
        "$scrypt$ln=0,r=8,p=1$c2FsdA$" + "A" * 43,
        "scrypt:1000:8:1$salt$" + "00" * 32,
        "scrypt:1024:8:1$salt$" + "0" * 33,
        "pbkdf2:md5:1000$salt$" + "00" * 16,
        "pbkdf2:sha256:0$salt$" + "00" * 32,
        "$pbkdf2-sha256$1000$c2FsdA$AAAA",
        "x" * 1_000_000,
    ],
)
def test_what_is_no_hash_is_refused(stored: str) -> None:
    with pytest.raises(ValueError, match=r"\A(is|has|contains) "):
        passwords.check_hash(stored)


@pytest.mark.parametrize(
    "stored",
    [
        "$2b$15$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe",
        "$2b$31$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe",
        "$argon2id$v=19$m=1048576,t=1,p=1$c29tZXNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=65536,t=1000,p=1$c29tZXNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=65536,t=1,p=1000$c29tZXNhbHQ$" + "A" * 43,
        "$scrypt$ln=20,r=8,p=1$c2FsdA$" + "A" * 43,
        "$scrypt$ln=99,r=8,p=1$c2FsdA$" + "A" * 43,
        "$scrypt$ln=14,r=8,p=100$c2FsdA$" + "A" * 43,
        "scrypt:1048576:8:1$salt$" + "00" * 32,
        "$pbkdf2-sha256$100000000$c2FsdA$" + "A" * 43,
        "pbkdf2:sha1:1000000$salt$" + "00" * 64,
        "pbkdf2_sha512$3000000$salt$" + "A" * 86 + "==",
    ],
)
def test_a_hash_that_would_exhaust_the_service_is_refused(stored: str) -> None:
    with pytest.raises(ValueError, match="would cost too much"):
        passwords.check_hash(stored)


def test_many_are_hashed_in_their_order() -> None:
    many = [f"password number {number}" for number in range(9)]
    hashes = passwords.hash_many(many, check=lambda: None)
    assert [passwords.verify(*pair).ok for pair in zip(many, hashes, strict=True)] == [True] * 9


def test_hashing_none_is_no_work() -> None:
    assert passwords.hash_many([], check=lambda: None) == []


class TimeIsUp(BaseException):
    pass


def test_hashing_many_gives_up_when_told_and_leaves_no_thread() -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise TimeIsUp

    start = time.monotonic()
    with pytest.raises(TimeIsUp):
        passwords.hash_many(["correct horse"] * 10_000, check=check)
    assert time.monotonic() - start < 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hash")]
