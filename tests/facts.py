"""What all tests agree on: the time at which they begin, and everybody's password."""

from datetime import UTC, datetime

NOON = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)
PASSWORD = "correct-horse-battery"
# The same in every process: tests that run side by side have to have the same names.
PASSWORD_HASH = "$argon2id$v=19$m=19456,t=2,p=1$AOQmTp/tuTKSsfcjSm13dQ$HwrCk9n04QlR14HfiPvOPuxlbYjWJkT458P0a6vbcT0"
