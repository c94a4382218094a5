"""A cache of JSON values: in Redis if a URL is set, else in files that the workers of this machine share.

Without a folder for the files, each worker caches in its own memory. The cache fails open: while its store is unavailable,
values are computed each time, and no request waits.
"""

from __future__ import annotations

import logging
import os
import secrets
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from cachelib.serializers import JSONSerializer
from flask import Flask, current_app
from flask_caching import Cache
from flask_caching.backends import FileSystemCache
from redis.exceptions import RedisError

from rollcall.infra import deadline, metrics, redis_options, state, throttled_log
from rollcall.settings import Settings

log = logging.getLogger(__name__)

cache = Cache()

# Seconds.
RETRY_AFTER = 2.0  # after an error, the store is not used for this time
_LOCK_LIFE = 5  # a lock of a worker that died expires after this time
_COLD_WAIT = 0.5  # the longest wait for another worker's first value


class _PlainData(JSONSerializer):
    """Serialize JSON instead of pickles, which would let anyone who can write to the store run code here."""

    def loads(self, bvalue: Any, *args: Any, **kwargs: Any) -> Any:
        return None if bvalue is None else super().loads(bvalue)


class FileCache(FileSystemCache):
    """A file cache whose ``add`` is atomic. The library's lets several workers in at once, and none after a file has expired.

    Errors of the disk raise ``OSError``; the library would log a traceback and continue.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._last: dict[str, tuple[tuple[int, int], int, Any]] = {}

    def get(self, key: str) -> Any:
        """As the library's, but an unchanged file is not read again: each new value is a new file."""
        path = Path(self._get_filename(key))
        try:
            status = path.stat()
            file = status.st_ino, status.st_mtime_ns
            if key not in self._last or self._last[key][0] != file:
                content = path.read_bytes()
                self._last[key] = file, *struct.unpack_from("I", content), self.serializer.loads(content[4:])
        except (FileNotFoundError, struct.error):  # or not written by us
            return None
        _, expires, value = self._last[key]
        return value if expires == 0 or expires >= time.time() else None

    def set(self, key: str, value: Any, timeout: Any = None, mgmt_element: bool = False) -> bool:
        folder = state.make_private(Path(self._path))  # it may have been deleted while the service runs
        content = struct.pack("I", self._normalize_timeout(timeout)) + (self.serializer.dumps(value) or b"")
        with NamedTemporaryFile(dir=folder, delete=False) as draft:  # made with mode 0600
            try:
                draft.write(content)
                draft.flush()
                Path(draft.name).rename(self._get_filename(key))
            except OSError:
                Path(draft.name).unlink(missing_ok=True)
                raise
        return True

    def add(self, key: str, value: Any, timeout: Any = None) -> bool:
        target, draft = self._get_filename(key), f"{key}:{secrets.token_hex(8)}"
        if os.path.exists(target) and not self.has(key):  # noqa: PTH110  (the library's names are strings)
            self.delete(key)  # left by a worker that died
        self.set(draft, value, timeout)
        try:
            os.link(self._get_filename(draft), target)
        except FileExistsError:
            return False
        finally:
            self.delete(draft)
        return True


@dataclass(frozen=True, slots=True)
class Cached:
    """A value and its age in seconds."""

    value: Any
    age: float


class _Breaker:
    """Skip a store that has just failed, so that not every request waits for its timeout."""

    def __init__(self) -> None:
        self._closed_until = 0.0
        self._lock = threading.Lock()

    def call(self, operation: Callable[[], Any], otherwise: Any) -> Any:
        # A request with little time left does not use the store, since it could not wait for the answer.
        if time.monotonic() < self._closed_until or deadline.within(redis_options.TIMEOUT) < redis_options.TIMEOUT:
            return otherwise
        try:
            return operation()
        except (RedisError, OSError) as error:
            with self._lock:
                self._closed_until = time.monotonic() + RETRY_AFTER
            metrics.CACHE_FAILURES.inc()
            what = getattr(error, "strerror", None) or type(error).__name__
            throttled_log.warn(log, "cache", "the cache's store is unavailable: %s", what)
            return otherwise


def init_app(app: Flask, settings: Settings) -> None:
    config: dict[str, Any] = {"CACHE_KEY_PREFIX": "rollcall:"}
    if not settings.cache_enabled:
        config |= {"CACHE_TYPE": "NullCache", "CACHE_NO_NULL_WARNING": True}
    elif settings.cache_redis_url:
        config |= {
            "CACHE_TYPE": "RedisCache",
            "CACHE_REDIS_URL": settings.cache_redis_url,
            "CACHE_OPTIONS": dict(redis_options.OPTIONS),
        }
    else:
        config |= _files(settings)
    cache.init_app(app, config)
    app.extensions["rollcall-cache-breaker"] = _Breaker()
    app.extensions["cache"][cache].serializer = _PlainData()


def _files(settings: Settings) -> dict[str, Any]:
    try:
        folder = state.make_private(settings.home / "cache")
    except OSError as error:
        if settings.needs_home:
            raise
        log.warning(
            "cannot write to ROLLCALL_HOME (%s): %s. Each worker caches in its own memory.", settings.home, error.strerror
        )
        return {"CACHE_TYPE": "SimpleCache"}
    # No threshold: the keys are few, and counting them would cost a file more for each write.
    return {"CACHE_TYPE": "rollcall.infra.cache.FileCache", "CACHE_DIR": str(folder), "CACHE_THRESHOLD": 0}


def fetch(key: str, ttl: int, now: float, compute: Callable[[], Any]) -> Cached:
    """Return the value under ``key``, computed by one worker at a time.

    When it expires, the first worker to notice computes it again while the others serve the expired value. If there is no value
    yet, they wait for a short time. Authorize the caller before this call.

    :param key: names the value; contains no user input.
    :param ttl: how long the value is valid, in seconds.
    :param now: POSIX time, in seconds.
    :param compute: makes the value, of JSON types only.
    """
    kept = cache.cache
    call = current_app.extensions["rollcall-cache-breaker"].call

    def stored() -> Cached | None:
        match call(lambda: kept.get(key), None):
            case {"value": value, "at": int() | float() as at}:
                return Cached(value, max(0.0, now - at))
        return None  # missing, or not in our format

    found = stored()
    if found and found.age < ttl:
        metrics.CACHE_HITS.inc()
        return found
    metrics.CACHE_MISSES.inc()
    lock = f"{key}:lock"
    mine = call(lambda: kept.add(lock, 1, timeout=_LOCK_LIFE), otherwise=True)
    if not mine and found:
        return found
    patience = time.monotonic() + _COLD_WAIT
    while not mine and time.monotonic() < patience:
        time.sleep(0.01)
        found = stored()
        if found:
            return found
    try:
        return store(key, ttl, now, compute())
    finally:
        if mine:
            call(lambda: kept.delete(lock), None)


def store(key: str, ttl: int, now: float, value: Any) -> Cached:
    """Replace the value under ``key``. Stores nothing if the store is unavailable.

    :param ttl, now: as for :func:`fetch`.
    """
    kept = cache.cache
    entry = {"value": value, "at": now}
    current_app.extensions["rollcall-cache-breaker"].call(lambda: kept.set(key, entry, timeout=ttl + _LOCK_LIFE), None)
    return Cached(value, 0.0)
