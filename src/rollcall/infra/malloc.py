"""Settings of the C library's allocator, so that a worker gives the memory of a batch back.

glibc gives each thread an arena of its own. Each hashing thread leaves the 19 MiB of its last Argon2id hash behind in one.
"""

from __future__ import annotations

import ctypes
from typing import Final

_ARENA_MAX: Final = -8  # M_ARENA_MAX in malloc.h


def share_one_arena() -> None:
    """Let all threads of this process, and of its later forks, share one arena. Call it before the first thread starts.

    Other C libraries have no such setting, and no arenas.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
