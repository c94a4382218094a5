"""The hashes of other systems: verified, bounded by their cost, refused by name."""

from __future__ import annotations

import base64
import json
import struct

import pytest

from old_hashes import OLD, TOMAS
from rollcall.services.identity import hash_formats, passwords
from rollcall.services.identity.hash_formats import costs, firebase
from rollcall.services.identity.hash_shapes import is_password_hash
from rollcall.services.identity.passwords import Verdict

CONFIG = """
hash_config {
  algorithm: SCRYPT,
  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}
"""


@pytest.mark.parametrize("name", OLD)
def test_old_password_is_right_and_due_for_a_rehash_and_another_is_wrong(name: str) -> None:
    password, stored = OLD[name]
    assert passwords.verify(password, stored) == Verdict(ok=True, needs_rehash=True)
    assert passwords.verify(password + "x", stored) == Verdict(ok=False, needs_rehash=False)


@pytest.mark.parametrize("name", OLD)
def test_hash_is_no_password(name: str) -> None:
    assert is_password_hash(OLD[name][1])


# crypt_blowfish's own tests; their passwords are not UTF-8.
@pytest.mark.parametrize(
    ("password", "stored"),
    [
        (b"\xa3", "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"),
        (b"\xff\xff\xa3", "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"),
        (b"\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"),
        (b"U*U", "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ],
)
def test_bcrypt_with_signed_characters(password: bytes, stored: str) -> None:
    assert hash_formats.parse(stored).matches(password)
    assert not hash_formats.parse(stored).matches(b"\xa4")


def test_bits_without_meaning_in_the_salt_of_bcrypt_do_not_matter() -> None:
    password, stored = OLD["bcrypt 2a of crypt_blowfish"]
    assert stored[28] == "."
    assert passwords.verify(password, stored[:28] + "D" + stored[29:]).ok


def test_wordpress_trims_passwords_before_it_hashes_them() -> None:
    password, stored = OLD["bcrypt of WordPress"]
    assert passwords.verify(f" {password}\n", stored).ok


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ("5f4dcc3b5aa765d61d8327deb882cf99", "an unsalted MD5 hash"),
        ("{MD5}X03MO1qnZdYdgyfeuILPmQ==", "an unsalted MD5 hash"),
        ("md5$$5f4dcc3b5aa765d61d8327deb882cf99", "an unsalted MD5 hash"),
        ("5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8", "an unsalted SHA-1 hash"),
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "an unsalted SHA-1 hash"),
        ("sha1$$5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8", "an unsalted SHA-1 hash"),
        ("md5$salt$5f4dcc3b5aa765d61d8327deb882cf99", "an MD5 hash of one round"),
        ("5f4dcc3b5aa765d61d8327deb882cf99:salt", "an MD5 hash of one round"),
        ("sha1$salt$5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8", "a SHA-1 hash of one round"),
        ("md55f4dcc3b5aa765d61d8327deb882cf99", "an MD5 hash of PostgreSQL"),
        ("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19", "an unsalted SHA-1 hash of MySQL"),
        ("{SHA256}XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=", "an unsalted SHA-2 hash"),
        ("{CRYPT}rqXexS6ZhobKA", "a DES crypt hash"),
        ("rqXexS6ZhobKA", "a DES crypt hash"),
        ("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7", "a yescrypt hash"),
        ("$S$DxVn7wubSRzoK9X2pkGx4njeDRkLEgdqPphc2ZXkkb8Viy8JEGf3", "a hash of Drupal 7"),
        ("SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0$c3RvcmVka2V5:c2VydmVya2V5", "a SCRAM verifier"),
    ],
)
def test_weak_and_unverifiable_hashes_are_refused_by_name(stored: str, name: str) -> None:
    with pytest.raises(ValueError, match=f"^is {name}, which "):
        hash_formats.parse(stored)


def aspnet(function: int, iterations: int, salt: int = 16) -> str:
    return base64.b64encode(b"\1" + struct.pack(">III", function, iterations, salt) + bytes(48)).decode()


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ("$pbkdf2-sha256$1$c2FsdHNhbHQ$" + "A" * 43, "a pbkdf2-sha256"),
        ("$pbkdf2-sha512$i=999,l=64$c2FsdHNhbHQ$" + "A" * 86, "a pbkdf2-sha512"),
        ("pbkdf2_sha1$10$salt$" + "A" * 27 + "=", "a pbkdf2-sha1"),
        ("{PBKDF2-SHA256}1$c2FsdHNhbHQ$" + "A" * 43, "a pbkdf2-sha256"),
        (aspnet(1, 1), "a pbkdf2-sha256"),
        ("$scrypt$ln=1,r=1,p=1$c2FsdHNhbHQ$" + "A" * 43, "a scrypt"),
        ("$firescrypt$ln=1,r=1,p=1$c2FsdA$" + "A" * 43 + "$Bw==$" + "A" * 43, "a scrypt"),
        ("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$" + "A" * 43, "an argon2"),
    ],
)
def test_too_little_work_is_refused_by_name(stored: str, name: str) -> None:
    with pytest.raises(ValueError, match=f"^is {name} hash of too little work"):
        hash_formats.parse(stored)


@pytest.mark.parametrize(
    "stored",
    [
        "$6$rounds=2000000$saltsalt$" + "A" * 85 + ".",
        "$5$rounds=999999999$saltsalt$" + "A" * 43,
        "$P$Q12345678" + "A" * 21 + ".",
        "$2x$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$bcrypt-sha256$v=2,t=2b,r=31$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS",
        "$wp$2y$16$AFwCisYEbdy0RNB/iwlVfuKTxBkILnPGwKquF7t4O2OjIDuAHSCcG",
        "$firescrypt$ln=24,r=8,p=1$c2FsdA$" + "A" * 43 + "$Bw==$" + "A" * 43,
        aspnet(2, 100_000_000),
        "{PBKDF2-SHA512}9000000$c2FsdHNhbHQ$" + "A" * 86,
    ],
)
def test_work_is_bounded_by_the_time_it_takes(stored: str) -> None:
    with pytest.raises(ValueError, match="would cost too much"):
        hash_formats.parse(stored)


@pytest.mark.parametrize("name", OLD)
def test_no_library_makes_hashes_beyond_the_bounds_by_default(name: str) -> None:
    assert hash_formats.parse(OLD[name][1]).seconds <= costs.MAX_SECONDS


@pytest.mark.parametrize(
    "stored",
    [
        "$6$rounds=10$salt$" + "A" * 85 + ".",
        "$6$salt$" + "A" * 43,
        "$6$saltsaltsaltsalts$" + "A" * 85 + ".",
        "$1$saltsalts$" + "A" * 21 + ".",
        "$P$B12345678" + "A" * 21,
        "$P$/12345678" + "A" * 21 + ".",
        "{SSHA}" + base64.b64encode(bytes(20)).decode(),  # no salt
        "{SSHA}AAAA!",
        "{SSHA}" + "A" * 41,
        "{ASPNET}AAAA",
        aspnet(9, 10_000),
        aspnet(1, 10_000, salt=200),
        "$pbkdf2-sha256$i=1000,l=64$c2FsdHNhbHQ$" + "A" * 43,
        "$pbkdf2-sha256$1000$c2FsdHNhbHQ=====$" + "A" * 43,
        "$2b$99$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$bcrypt-sha256$v=3,t=2b,r=5$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS",
        "$firescrypt$ln=14,r=8,p=1$c2FsdA$" + "A" * 43 + "$Bw==$AAAA",
        "$fbscrypt$v=1,n=14,r=8,p=1$c2FsdA$" + "A" * 43,
        "{bcrypt}{bcrypt}$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "{UNKNOWN}" + "A" * 40,
    ],
)
def test_malformed_hashes_are_refused(stored: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|has|contains) "):
        hash_formats.parse(stored)


@pytest.mark.parametrize(
    "stored", ["", "x", "!", "!!", "*", "*LK*", "*NP*", "!KXJDVhNT277w2BExutm3SHzXcg8aaaaaaaaaaaaa", "!$6$s$abc"]
)
def test_words_for_no_password(stored: str) -> None:
    assert hash_formats.is_no_password(stored)


@pytest.mark.parametrize("name", OLD)
def test_hash_is_not_taken_for_no_password(name: str) -> None:
    assert not hash_formats.is_no_password(OLD[name][1])


def test_configuration_of_firebase_makes_hashes_that_verify() -> None:
    config = firebase.read_config(CONFIG)
    stored = config.stored(
        "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==", "42xEC+ixf3L2lw=="
    )
    assert stored == OLD["Firebase's documented sample"][1]
    assert passwords.verify("user1password", stored).ok
    assert not passwords.verify(TOMAS, stored).ok


def test_configuration_of_firebase_may_be_json() -> None:
    settings = {"algorithm": "SCRYPT", "base64_signer_key": "AAAA", "base64_salt_separator": "Bw==", "rounds": 8, "mem_cost": 14}
    text = json.dumps({"hash_config": settings})
    assert firebase.read_config(text) == firebase.HashConfig("AAAA", "Bw==", 8, 14)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("mem_cost: 14", "", "has no mem_cost"),
        ("base64_signer_key", "signer_key", "has no base64_signer_key"),
        ("SCRYPT", "BCRYPT", "algorithm is not SCRYPT"),
        ("Bw==", "Bw=", "base64_salt_separator is not valid base64"),
        ("rounds: 8", "rounds: 0", "rounds is not a number"),
        ("mem_cost: 14", "mem_cost: 30", "would cost too much"),
    ],
)
def test_faults_of_a_configuration_are_named_without_its_values(before: str, after: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        firebase.read_config(CONFIG.replace(before, after))
    assert "jxspr8" not in str(refusal.value)
