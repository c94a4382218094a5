"""The state folder: the embedded database, the generated key, the cached files and the workers' metrics of one service."""

import os
from pathlib import Path


def make_private(folder: Path) -> Path:
    """Create a private folder in the state folder, and the state folder itself if it is missing.

    :return: the folder.
    """
    make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def make(home: Path) -> Path:
    """Create a private folder and its missing parents. An existing folder keeps its mode.

    As root others may pass through it: PostgreSQL, which refuses to run as root, has its data below.

    :return: the folder.
    """
    for folder in reversed([folder for folder in (home, *home.parents) if not folder.exists()]):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return home
