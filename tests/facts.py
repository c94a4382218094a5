"""What all tests agree on: the time at which they begin, and everybody's password."""

from datetime import UTC, datetime

from rollcall.services.identity import passwords

NOON = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)
PASSWORD = "correct-horse-battery"
# Hashed once: 25 ms for each user of each test would be minutes.
PASSWORD_HASH = passwords.hash_password(PASSWORD)
