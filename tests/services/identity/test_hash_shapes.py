"""A password hash is recognised where a password is expected, and no ordinary password is taken for one."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facts import PASSWORD_HASH
from rollcall.services.identity.hash_shapes import is_password_hash

PHPASS = "$P$B12345678abcdefghijklmnopqrstu."
BCRYPT = "$2y$10$TacH2YZplhIKjhLiOjoTpeaGviaWm2TF/Rm/OCKoENj/cdCONjv1q"
ARGON2 = "$argon2id$v=19$m=102400,t=2,p=8$UDVndzFSTkw3TGllUFJ4M0FZbG1hYQ$a9xxP+vTcLPuGDanv8lEEgl0fANH13yXP9AlyYTfDnA"
SCRYPT = "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"
SHA512_CRYPT = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJuesI68OTLiBFdcbYEdFCoEOfaS35inz1"
FIREBASE = "5k+/jO/chcIPtjyfreC/JRurwCoyhhMhtAuuuHjMXipq0kT82khrdD7H1cGIUXNUK97fpyfGuCs4C4ULus3tgA=="
ASPNET_V2 = base64.b64encode(bytes([0, *range(48)])).decode()
ASPNET_V3 = base64.b64encode(bytes([1, 0, 0, 0, 1, 0, 1, 0x86, 0xA0, 0, 0, 0, 16, *range(48)])).decode()
SSHA = "{SSHA}" + base64.b64encode(bytes(range(28))).decode()

HASHES = [
    ARGON2,
    "argon2" + ARGON2,
    BCRYPT,
    BCRYPT.replace("2y", "2a"),
    BCRYPT.replace("2y", "2b"),
    BCRYPT.replace("2y", "2x"),
    BCRYPT[:40],  # cut off by a column that was too short
    "bcrypt$" + BCRYPT,
    "bcrypt_sha256$" + BCRYPT,
    "$bcrypt-sha256$v=2,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2",
    "$wp" + BCRYPT,
    SCRYPT,
    "scrypt$16384$salt1234$8$1$" + base64.b64encode(bytes(64)).decode(),
    "scrypt:32768:8:1$saltsalt$" + "0a" * 64,
    FIREBASE,
    "$pbkdf2-sha256$29000$N2YMIWQsBWBMae09x1jrPQ$1t8iyB2A.WF/Z5JZv.lfCIhXXN33N23OSgQYThBYRfk",
    "$pbkdf2-sha512$i=210000,l=64$MTIzNDU2Nzg$" + "b" * 86,
    "pbkdf2_sha256$1000000$dyAWwBrI6KFwxIKmIMHvlO$ArerSnJTNADTUZoZ4awMszFkuiY0tIsEkCIYpFA2CtY=",
    "pbkdf2:sha256:600000$abcdefgh$" + "0f" * 32,
    ASPNET_V2,
    ASPNET_V3,
    PHPASS,
    PHPASS.replace("$P$", "$H$"),
    "$S$DxVn7wubSRzoK9X2pkGx4njeDRkLEgdqPphc2ZXkkb8Viy8JEGf3",
    "$1$O3JMY.Tw$AdLnLjQ/5jXF9.MTp3gHv/",
    "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8",
    SHA512_CRYPT,
    "!" + SHA512_CRYPT,
    "$apr1$TqI9WECO$LHZB2DqRlk9nObiB6vJG9.",
    "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
    SSHA,
    SSHA.lower().replace("{ssha}", "{SHA}"),
    "{SSHA512}" + base64.b64encode(bytes(72)).decode(),
    "{SMD5}" + base64.b64encode(bytes(20)).decode(),
    "{CRYPT}" + SHA512_CRYPT,
    "{CRYPT}rqXexS6ZhobKA",
    "{bcrypt}" + BCRYPT,
    "{ARGON2}" + ARGON2,
    "{pbkdf2@SpringSecurity_v5_8}" + "0a" * 48,
    "{PBKDF2-SHA256}10000$" + "b" * 43,
    "3|" + ARGON2,
    "1|" + BCRYPT,
    "sha1$salt1$" + "0a" * 20,
    "md5$$" + "0a" * 16,
    *(hashlib.new(name, b"secret").hexdigest() for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")),
    hashlib.sha256(b"secret").hexdigest().upper(),
    "md5" + "0a" * 16,
    "*" + "0A" * 20,
    "0a" * 16 + ":saltsaltsaltsaltsaltsaltsaltsalt",
    "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0$c3RvcmVka2V5:c2VydmVya2V5",
    base64.b64encode(hashlib.sha256(b"secret").digest()).decode(),
    "!M1qYtQ5dUJ0Vw2xKp9aZbC8eR7gT6hS4jL3nFmBv",  # Django's mark for "no password"
]


@pytest.mark.parametrize("text", HASHES)
def test_a_hash_is_recognised(text: str) -> None:
    assert is_password_hash(text)
    assert is_password_hash(f" {text}\r\n")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "Velvet-Otter-31",
        "$2 for a bottle of milk and 3 eggs",
        "$1$ is what it costs",
        "$ave-the-whale$-and-the-$quid",
        "{curly braces} are nice",
        "bcrypt: is a fine thing to have",
        "md5 is not a good hash function",
        "1|2|3|4|5|6|7|8",
        "deadbeef",
        "cafebabecafebabe",
        "0123456789abcdef0123456789abcde",  # 31 digits
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "aGVsbG8gd29ybGQsIGhlbGxvIQ==",
        "c29tZSByYW5kb20gdGV4dA==",  # openssl rand -base64 16
        "пароль-длинный",
        "🔑" * 32,
        "!important-announcement!",
        "x" * 128,
    ],
)
def test_a_password_is_not(password: str) -> None:
    assert not is_password_hash(password)


WORDS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHäöüéß'", min_size=2, max_size=12).filter(
    lambda word: not set(word.lower()) <= set("abcdef")
)


@settings(max_examples=500, deadline=None)
@given(st.lists(WORDS, min_size=2, max_size=8), st.sampled_from(" -_.,+!/&"), st.text("0123456789!?$%#", max_size=6))
def test_no_passphrase_is_taken_for_a_hash(words: list[str], between: str, end: str) -> None:
    assert not is_password_hash(between.join(words) + end)


@settings(max_examples=500, deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=8, max_size=31))
def test_no_random_password_of_a_generator_is_taken_for_a_hash(password: str) -> None:
    named = (
        password.lower()
        .lstrip("!*")
        .startswith(("$", "{", "md5", "sha", "crypt", "argon", "scrypt", "bcrypt", "pbkdf", "0x", "\\x"))
    )
    assert named or not is_password_hash(password)


def test_our_own_hashes_are_recognised() -> None:
    assert is_password_hash(PASSWORD_HASH)
