"""Limit failed log-ins. The database counts, so the numbers hold for all workers and machines, with Redis or without.

A try is counted before the password is checked, and taken back when the password was right: of any number of tries at once
no more than the limit get as far as a check. There are three counters:

- the client's network, and the account at that network: ``PER_WINDOW`` failures in ``WINDOW``;
- the account from anywhere: ``IN_A_ROW`` failures without a success between them.

At a network from which the user has logged in within ``KNOWN_FOR``, only the second one refuses. So a stranger elsewhere
cannot lock anybody out. Unknown names are counted like known ones. Names and addresses are kept as digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ARRAY, Connection, LargeBinary, Row, any_, delete, literal, select, text
from sqlalchemy.orm import Session

from rollcall.errors import TooManyFailures
from rollcall.infra import reading
from rollcall.models import LoginFailures, LoginNetwork, User
from rollcall.services import normalization
from rollcall.services.identity import accounts

PER_WINDOW: Final = 10
WINDOW: Final = timedelta(minutes=5)
IN_A_ROW: Final = 100
IN_A_ROW_LAPSES: Final = timedelta(days=1)
"""How long after the last failure the count of an account begins anew, so that nobody is locked out for good.

It also begins anew when the password is replaced: an administrator can let a user in.
"""
KNOWN_FOR: Final = timedelta(days=30)
_SEEN_WITHIN: Final = timedelta(days=1)
"""How exactly it is kept when a network was seen last, so that most log-ins have nothing to remember."""

# Counters are locked in the order of their kinds by everyone, so that nobody waits for each other.
_NETWORK, _PAIR, _ACCOUNT = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a log-in names, and from where.

    :ivar user_id: ``None`` where there is no such user.
    :ivar key: the same for a user's username and e-mail address.
    :ivar network: the client's network; ``None`` if it has no address.
    :ivar seen_at: when the user last logged in from this network, to a day; ``None`` if not within ``KNOWN_FOR``.
    """

    user_id: int | None
    key: str
    network: str | None
    seen_at: datetime | None = None

    @property
    def known(self) -> bool:
        return self.seen_at is not None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try that is counted, to be taken back where it does not fail.

    :ivar full: the counters that were full, and so have not counted it.
    :ivar remaining: how many more may fail before one is refused here.
    :ivar resets_at: when the count begins anew.
    """

    account: Account
    full: frozenset[str]
    remaining: int
    resets_at: datetime


def find_account(session: Session, username: str, network: str | None, now: datetime) -> tuple[Account, Row[Any] | None]:
    """Find the account that a log-in names by username or e-mail address.

    :return: the account, and what ``accounts.open_session`` needs of the user.
    """
    user = accounts.look_up(session, username, _seen_at(network, now).label("seen_at"))
    if user is None:
        return Account(None, f"nobody {normalization.name(username[: accounts.NAME_MAX]).casefold()}", network), None
    return Account(user.id, f"user {user.id}", network, user.seen_at), user


def own_account(session: Session, user_id: int, network: str | None, now: datetime) -> Account:
    """Return the account of a user who is logged in already, and types the current password again."""
    seen_at = session.scalars(select(_seen_at(network, now)).where(User.id == user_id)).one_or_none()
    return Account(user_id, f"user {user_id}", network, seen_at)


def _seen_at(network: str | None, now: datetime) -> Any:
    seen = select(LoginNetwork.seen_at).where(LoginNetwork.user_id == User.id, LoginNetwork.network == network)
    return seen.where(LoginNetwork.seen_at > now - KNOWN_FOR - _SEEN_WITHIN).scalar_subquery()


_COUNTED = """
    INSERT INTO login_failures AS kept (key, kind, failures, lapses_at)
    SELECT CAST(:{counter} AS bytea), {kind}, 1, CAST(:{lapses} AS timestamptz) WHERE {condition}
    ON CONFLICT (key) DO UPDATE SET
        failures = 1 + CASE WHEN kept.lapses_at > CAST(:now AS timestamptz) THEN kept.failures ELSE 0 END,
        lapses_at = CASE WHEN {fixed} AND kept.lapses_at > CAST(:now AS timestamptz)
                         THEN kept.lapses_at ELSE excluded.lapses_at END
    WHERE kept.failures < {limit} OR kept.lapses_at <= CAST(:now AS timestamptz)
    RETURNING failures, lapses_at
"""


def _counted(counter: str, kind: int, condition: str = "true") -> str:
    whole = {"counter": counter, "kind": kind, "condition": condition}
    if kind == _ACCOUNT:
        return _COUNTED.format(**whole, lapses="row_ends", fixed="false", limit=IN_A_ROW)
    return _COUNTED.format(**whole, lapses="window_ends", fixed="true", limit=PER_WINDOW)


# A counter that is full gives no row. Each waits for the one before (count(*) reads it to its end), so that a try which is
# refused goes no further. The sweep comes last, and waits for nobody.
_COUNT = reading.Statement(
    text(f"""
    WITH network AS ({_counted("network", _NETWORK)}
    ), pair AS ({_counted("pair", _PAIR, "(SELECT count(*) FROM network) + CAST(CAST(:known AS boolean) AS int) > 0")}
    ), account AS ({_counted("account", _ACCOUNT, "(SELECT count(*) FROM pair) > 0")}
    ), swept AS (
        DELETE FROM login_failures WHERE (SELECT count(*) FROM account) >= 0 AND key IN (
            SELECT key FROM login_failures
            WHERE lapses_at <= CAST(:now AS timestamptz) AND key NOT IN (:network, :pair, :account)
            ORDER BY lapses_at LIMIT 10 FOR UPDATE SKIP LOCKED)
    )
    SELECT (SELECT failures FROM network), (SELECT lapses_at FROM network),
           (SELECT failures FROM pair), (SELECT lapses_at FROM pair), (SELECT count(*) FROM account)
    """),  # noqa: S608  (made of constants)
    prepared=True,
)


def count(session: Session, account: Account, now: datetime) -> Attempt:
    """Count a try before its password is checked.

    The session has to be one whose statements stand alone, so that the count stays whatever becomes of the log-in.

    :raises TooManyFailures: it may not be checked.
    """
    keys = _keys(account)
    times = {"now": now, "window_ends": now + WINDOW, "row_ends": now + IN_A_ROW_LAPSES}
    [row] = reading.rows(session, _COUNT, **keys, **times, known=account.known)
    by_network, network_ends, by_pair, pair_ends, counted = row
    if by_pair is None or not (counted or account.known):
        raise _refusal(session, keys, now, pair=by_network is not None or account.known, account_full=by_pair is not None)
    full = {"network": by_network is None, "account": not counted}
    failures, ends = (by_pair, pair_ends) if account.known or by_pair > by_network else (by_network, network_ends)
    return Attempt(account, frozenset(name for name, is_full in full.items() if is_full), PER_WINDOW - failures, ends)


_WHEN = text("SELECT lapses_at FROM login_failures WHERE key = :key")


def _refusal(session: Session, keys: dict[str, bytes], now: datetime, *, pair: bool, account_full: bool) -> TooManyFailures:
    if account_full:
        limit, key, latest = IN_A_ROW, keys["account"], now + IN_A_ROW_LAPSES
    else:
        limit, key, latest = PER_WINDOW, keys["pair" if pair else "network"], now + WINDOW
    ends = session.execute(_WHEN, {"key": key}).scalar_one_or_none()
    return TooManyFailures(limit, None if account_full else WINDOW, ends or latest)


_TAKE_BACK = reading.Statement(
    text("""
    WITH mine AS (
        SELECT key FROM login_failures WHERE key IN (:network, :pair, :account) ORDER BY kind FOR UPDATE
    ), taken_back AS (
        UPDATE login_failures AS kept
        SET failures = CASE WHEN CAST(:passed AS boolean) AND kind > 1 THEN 0 ELSE greatest(failures - 1, 0) END
        FROM mine WHERE kept.key = mine.key
        RETURNING kept.key
    )
    SELECT count(*) FROM taken_back
    """),
    prepared=True,
)


def take_back(session: Session, attempt: Attempt, *, passed: bool) -> None:
    """Take a try back that did not fail.

    The session has to be one whose statements stand alone.

    :param passed: the password was right, which begins the counts of the account anew.
    """
    keys = _counted_by(attempt, also={"account"} if passed else ())
    reading.rows(session, _TAKE_BACK, **keys, passed=passed)


_REMEMBER = text("""
    WITH remembered AS (
        INSERT INTO login_networks (user_id, network, seen_at) VALUES (:user_id, CAST(:network AS cidr), :now)
        ON CONFLICT (user_id, network) DO UPDATE SET seen_at = excluded.seen_at
        RETURNING user_id
    )
    DELETE FROM login_networks WHERE (SELECT count(*) FROM remembered) > 0 AND (user_id, network) IN (
        SELECT user_id, network FROM login_networks
        WHERE seen_at <= :forgotten AND (user_id, network) IS DISTINCT FROM (:user_id, CAST(:network AS cidr))
        ORDER BY seen_at LIMIT 10 FOR UPDATE SKIP LOCKED)
""")


def remember(session: Session, account: Account, now: datetime) -> None:
    """Remember that a user has logged in from a network. The caller commits."""
    if account.network is None or (account.seen_at is not None and account.seen_at > now - _SEEN_WITHIN):
        return
    forgotten = now - KNOWN_FOR - _SEEN_WITHIN
    values = {"user_id": account.user_id, "network": account.network, "now": now, "forgotten": forgotten}
    session.execute(_REMEMBER, values)


def forget(session: Session, user_id: int) -> None:
    """Begin the row of failures of a user anew, whose password somebody has replaced. The caller commits."""
    key = _keys(Account(user_id, f"user {user_id}", None))["account"]
    session.execute(delete(LoginFailures).where(LoginFailures.key == key))


def forget_all(connection: Connection, user_ids: Sequence[int]) -> None:
    """Begin the rows of failures of these users anew, as :func:`forget` does. The caller commits."""
    keys = [_keys(Account(user_id, f"user {user_id}", None))["account"] for user_id in user_ids]
    connection.execute(delete(LoginFailures).where(LoginFailures.key == any_(literal(keys, ARRAY(LargeBinary)))))


def _counted_by(attempt: Attempt, also: Iterable[str] = ()) -> dict[str, bytes]:
    return {name: b"" if name in attempt.full.difference(also) else key for name, key in _keys(attempt.account).items()}


def _keys(account: Account) -> dict[str, bytes]:
    network = account.network or "none"
    parts = {"network": f"network {network}", "pair": f"pair {network} {account.key}", "account": f"account {account.key}"}
    return {name: hashlib.sha256(part.encode("utf-8", "surrogatepass")).digest() for name, part in parts.items()}
