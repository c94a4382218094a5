"""The most common passwords of at least eight characters, which nobody may choose.

``common_passwords.txt`` has those among the 10,000 most common of the list that zxcvbn ships (MIT licence, Copyright (c)
2012-2016 Dan Wheeler and Dropbox, Inc.; the counts are Mark Burnett's, who gave them to the public domain).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

COMMON_PASSWORDS: Final = frozenset(Path(__file__).with_name("common_passwords.txt").read_text("utf-8").split())
