"""Synthetic users, to try the service with: plausible, many, and the same again for the same seed.

They sign up over three years and a bit, more of them every month, fewer at week-ends. None has a password, so none can log
in; their addresses are under domains that belong to nobody (RFC 2606).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain, islice
from random import Random
from typing import Final

from psycopg2.errors import UniqueViolation
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rollcall.errors import RowsConflict
from rollcall.services.events import recording
from rollcall.services.events.kinds import Kind
from rollcall.services.statistics import tally
from rollcall.services.transfer import bulk_copy, index_builds
from rollcall.services.transfer.seed_names import CULTURES

DAYS: Final = 1_200
"""How far back the first sign-up may lie."""
YEARLY_GROWTH: Final = 2.0
INACTIVE_PERCENT: Final = 8
SUPERUSERS_PER_MILLE: Final = 2
NAMELESS_PERCENT: Final = 4
ROWS_PER_COPY: Final = 20_000
ATTEMPTS: Final = 3

_DOMAINS: Final = (
    "example.com",
    "example.org",
    "example.net",
    "mail.example",
    "post.example",
    "correo.example",
    "university.example",
    "clinic.example",
)
_WEEKDAYS: Final = (1.1, 1.2, 1.15, 1.1, 1.0, 0.65, 0.6)  # from Monday
_TARGET: Final = "users (email, username, full_name, is_active, is_superuser, created_at, updated_at)"
# Any number that no other user of advisory locks in this database takes.
_SEED_LOCK: Final = 7_205_759_403_792_795


def seed_users(
    session: Session,
    count: int,
    *,
    seed: int,
    now: datetime,
    progress: Callable[[int], None],
    building: Callable[[float], None] | None = None,
) -> None:
    """Create synthetic users. The caller commits.

    Their names end in a serial number above every id that there is, so that they differ from earlier seeded users.

    :param count: how many; memory does not depend on it.
    :param seed: the same seed, on an empty table at the same time, makes the same users.
    :param now: nobody signs up later; with an offset.
    :param progress: called with the number of users that were added since the last call.
    :param building: see :func:`index_builds.after_load`.
    :raises RowsConflict: the names are taken by other users, in several ranges of serial numbers.
    """
    connection = session.connection()
    bulk_copy.prepare(connection)
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SEED_LOCK})
    serial = connection.execute(text("SELECT coalesce(max(id), 0) FROM users")).scalar_one()
    for attempt in range(ATTEMPTS):
        done = 0
        try:
            with connection.begin_nested(), index_builds.after_load(connection, count, building=building):
                random = Random(seed)  # noqa: S311  (to be repeatable, not secret)
                users = lines(count, random, now=now, first_serial=serial + attempt * count + 1)
                for batch in _made_ahead(users):
                    bulk_copy.copy(connection, _TARGET, "".join(batch))
                    done += len(batch)
                    progress(len(batch))
        except (UniqueViolation, IntegrityError):
            progress(-done)
        else:
            tally.fold(session)  # Or else the first reader would have to.
            recording.record(session, Kind.USERS_IMPORTED, now, changes={"way": "seed", "created": count})
            return
    raise RowsConflict([])


def _made_ahead(users: Iterator[str]) -> Iterator[list[str]]:
    """Return the lines in batches, each made by a thread while PostgreSQL copies the one before."""

    def batch() -> list[str]:
        return list(islice(users, ROWS_PER_COPY))

    with ThreadPoolExecutor(1) as maker:
        following = maker.submit(batch)
        while made := following.result():
            following = maker.submit(batch)
            yield made


def lines(count: int, random: Random, *, now: datetime, first_serial: int) -> Iterator[str]:
    """Yield the users as lines for COPY, in the order of their sign-ups."""
    cultures = [
        (
            culture.pattern,
            [(name.shown, name.ascii) for name in culture.given],
            [(name.shown, name.ascii) for name in culture.family],
        )
        for culture in CULTURES
    ]
    bits = random.getrandbits
    for serial, moment in enumerate(_sign_ups(count, random, now), first_serial):
        # One random number for all choices: the time goes into the generator's calls.
        choice = bits(64)
        pattern, given_names, family_names = cultures[(choice & 0xFFF) % len(cultures)]
        given, plain_given = given_names[(choice >> 12 & 0xFFF) % len(given_names)]
        family, plain_family = family_names[(choice >> 24 & 0xFFF) % len(family_names)]
        style = choice >> 36 & 3
        if style == 0:
            username = f"{plain_given}_{plain_family}{serial}"
        elif style == 1:
            username = f"{plain_given[0]}{plain_family}{serial}"
        elif style == 2:
            username = f"{plain_given}-{plain_family[0]}-{serial}"
        else:
            username = f"{plain_family}{serial}"
        domain = _DOMAINS[choice >> 38 & 7]
        state = (choice >> 41) % 1000
        full_name = "\\N" if (choice >> 52) % 100 < NAMELESS_PERCENT else pattern.format(given=given, family=family)
        active = "f" if state < 10 * INACTIVE_PERCENT else "t"
        superuser = "t" if state >= 1000 - SUPERUSERS_PER_MILLE else "f"
        yield (
            f"{plain_given}.{plain_family}{serial}@{domain}\t{username}\t{full_name}\t{active}\t{superuser}\t{moment}\t{moment}\n"
        )


def _sign_ups(count: int, random: Random, now: datetime) -> Iterator[str]:
    """``count`` times in ascending order, in ISO 8601."""
    return chain.from_iterable(
        _moments(day, number, random, until) for day, number, until in _days(count, random, now.astimezone(UTC))
    )


def _days(count: int, random: Random, now: datetime) -> Iterator[tuple[date, int, float]]:
    """Yield every day with its number of sign-ups and the second of the day up to which they may lie."""
    today = now.date()
    passed = (now - datetime.combine(today, time(), UTC)).total_seconds()
    days = [today - timedelta(days=ago) for ago in range(DAYS, -1, -1)]
    weights = [
        math.exp(math.log(YEARLY_GROWTH) * number / 365) * _WEEKDAYS[day.weekday()] * random.uniform(0.7, 1.3)
        for number, day in enumerate(days)
    ]
    weights[-1] *= passed / 86_400
    total = sum(weights)
    weight, before = 0.0, 0
    for day, share in zip(days, weights, strict=True):
        weight += share
        # Rounding the running total spends exactly ``count``, whatever its size.
        after = count if day == today else round(count * weight / total)
        yield day, after - before, passed if day == today else 86_400.0
        before = after


def _moments(day: date, number: int, random: Random, until: float) -> Iterator[str]:
    # Most people sign up in the afternoon.
    seconds = sorted(random.triangular(0, until, 0.6 * until) for _ in range(number))
    for second in seconds:
        whole = int(second)
        yield (f"{day} {whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{int(second % 1 * 1_000_000):06}+00")
