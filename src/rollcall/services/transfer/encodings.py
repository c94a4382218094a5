"""Which encoding a text file is in, and its text as UTF-8.

UTF-8 and UTF-16 are certain. A file in one of the encodings of a single byte is Windows-1252 only if no letter of it would
be another one in a neighbouring encoding (``is_certain``). Otherwise somebody has to confirm an encoding: the proposals
come from charset-normalizer and from the usual ones, and only people can tell whether a name is right.
"""

from __future__ import annotations

import codecs
import io
import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import BinaryIO, Final, NamedTuple

import charset_normalizer

from rollcall.services.transfer.row_stream import CHUNK, Unreadable, lines

_WORDS_MAX: Final = 5_000
_SAMPLE_MAX: Final = 1 << 16
_PROPOSALS: Final = 4
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_USUAL: Final = ("cp1252", "cp1250", "mac_roman", "cp850", "cp1251", "cp1254", "cp1253", "shift_jis", "gb18030", "big5", "euc_kr")
# What charset-normalizer proposes for a short text may be an exotic encoding; these are in use.
_IN_USE: Final = frozenset((*_USUAL, "cp1255", "cp1256", "cp1257", "cp1258", "cp437", "cp852", "cp866", "cp932", "cp949"))
_HIGH_WORD: Final = re.compile(rb"[A-Za-z'\x80-\xff-]*[\x80-\xff][A-Za-z'\x80-\xff-]*")

# The letters of Windows-1252 that are the same in Windows-1250, 1254 and Latin-1.
_SHARED: Final = frozenset("áâäçéëíîóôöúüåßÁÂÄÇÉËÍÎÓÔÖÚÜÅ")
# Vowels that are a consonant in Windows-1250 (č ř ć ň ď ŕ): certain where no vowel stands beside them.
_VOWELS_HERE: Final = frozenset("èøæòïàÈØÆÒÏÀ")
_EVIDENCE: Final = _SHARED | _VOWELS_HERE | frozenset("ãõñ")
_TYPOGRAPHY: Final = frozenset("€…‘’“”–—\xa0«»·°©®")
_VOWELS: Final = frozenset("aeiouyAEIOUYáâäéëíîóôöúüåèøæòïà")


class Survey(NamedTuple):
    """The encoding of a file.

    :ivar encoding: as Python names it; ``""``: somebody has to confirm one.
    :ivar line: the first line that is not UTF-8.
    :ivar sample: lines that are not ASCII.
    :ivar mixed: whether some lines are UTF-8, and others in another encoding.
    """

    encoding: str
    line: int = 0
    sample: bytes = b""
    mixed: bool = False


def survey(source: BinaryIO, check: Callable[[], None] = lambda: None) -> Survey:
    """Look at a whole text file. It is left at its beginning.

    :param check: called often; what it raises ends the work.
    """
    begin = source.read(1 << 10)
    source.seek(0)
    for mark, encoding in _MARKS:
        if begin.startswith(mark):
            return _utf8(source, check) if encoding == "utf-8" else Survey(encoding)
    if wide := _wide_without_mark(begin):
        return Survey(wide)
    return _utf8(source, check)


def _wide_without_mark(begin: bytes) -> str:
    """UTF-16 of mostly ASCII text has a NUL in every other byte."""
    even, odd = begin[: len(begin) & ~1 : 2], begin[1 : len(begin) & ~1 : 2]
    if not even or begin.count(0) < len(even) // 2:
        return ""
    if odd.count(0) > len(odd) * 0.7 and not even.count(0):
        return "utf-16-le"
    return "utf-16-be" if even.count(0) > len(even) * 0.7 and not odd.count(0) else ""


def _utf8(source: BinaryIO, check: Callable[[], None]) -> Survey:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while data := source.read(CHUNK):
            check()
            decoder.decode(data)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        source.seek(0)
        return _legacy(source, check)
    source.seek(0)
    return Survey("utf-8")


def _legacy(source: BinaryIO, check: Callable[[], None]) -> Survey:
    words: set[bytes] = set()
    sample = bytearray()
    first = wide = 0
    for number, line in enumerate(lines(source), 1):
        if line.isascii():
            continue
        check()
        if _is_utf8(line):
            wide = wide or number
        else:
            first = first or number
        if len(sample) < _SAMPLE_MAX:
            sample += line
        if len(words) < _WORDS_MAX:
            words.update(_HIGH_WORD.findall(line))
    source.seek(0)
    if wide:
        return Survey("", first, bytes(sample), mixed=True)
    return Survey("cp1252" if is_certain(words) else "", first, bytes(sample))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def is_certain(words: set[bytes]) -> bool:
    """Return whether words that are not ASCII can only be Windows-1252, or mean the same in it.

    At least one has a letter that is the same in the neighbouring encodings, within a word of plain Latin letters; and none
    has a letter that would be another one in Windows-1250, or a row of letters as other scripts have.
    """
    evidence = False
    for word in words:
        try:
            text = word.decode("cp1252")
        except UnicodeDecodeError:
            return False
        letters = [letter for letter in text if letter.isalpha()]
        if any(not letter.isascii() and not _fits(text, place) for place, letter in enumerate(text)):
            return False
        plain = sum(letter.isascii() for letter in letters)
        evidence |= plain >= 2 and any(letter in _EVIDENCE for letter in letters)
        if len(letters) > 1 and plain * 2 < len(letters):
            return False
    return evidence


def _fits(text: str, place: int) -> bool:
    letter = text[place]
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if letter.isupper() and before.islower():
        return False  # no name has a capital there, and other encodings have a small letter
    if letter in _SHARED or letter in _TYPOGRAPHY:
        # A Macintosh has letters where Windows has these signs.
        return letter not in "…‘“”–—€" or not (before.isalpha() and after.isalpha())
    if letter in "Œœ":
        return after == "u"
    if letter in "ñÑ":  # in Windows-1250 the Polish ń, which no vowel follows
        return after in _VOWELS
    if letter in "ãõ":
        return after in ("o", "e")
    return letter in _VOWELS_HERE and after not in _VOWELS and before not in _VOWELS


def proposals(sample: bytes) -> list[str]:
    """Return the encodings that a text may be in, the likely ones first."""
    found = [match.encoding for match in charset_normalizer.from_bytes(sample) if match.encoding in _IN_USE]
    able = [each for each in dict.fromkeys((*found[:3], *_USUAL)) if _decodes(sample, each)]
    words = _HIGH_WORD.findall(sample)[:_WORDS_MAX]
    return sorted(able, key=lambda encoding: sum(_oddities(word.decode(encoding, "replace")) for word in words))[:_PROPOSALS]


def _oddities(word: str) -> int:
    """Count what a name does not have: signs, capitals after small letters, and two scripts."""
    odd = sum(not letter.isalpha() for letter in word if not letter.isascii())
    odd += sum(after.isupper() and before.islower() for before, after in pairwise(word))
    scripts = {unicodedata.name(letter, "?").split()[0] for letter in word if letter.isalpha()}
    return odd + (2 if "LATIN" in scripts and len(scripts) > 1 else 0)


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter.isspace() for letter in text)


def as_utf8(source: BinaryIO, encoding: str) -> BinaryIO:
    """Return a text in any encoding as a file of UTF-8."""
    return source if encoding == "utf-8" else _Recoded(source, encoding)


class _Recoded(io.RawIOBase, BinaryIO):
    """A file in another encoding, read as UTF-8."""

    def __init__(self, source: BinaryIO, encoding: str) -> None:
        self._source = source
        self._encoding = encoding
        self._chunks = self._recode()
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        while (size < 0 or len(self._rest) < size) and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        end = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:end], self._rest[end:]
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go back to the beginning; nothing else is needed."""
        if offset or whence:
            raise io.UnsupportedOperation
        self._source.seek(0)
        self._chunks, self._rest = self._recode(), b""
        return 0

    def tell(self) -> int:
        return self._source.tell()

    def _recode(self) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(self._encoding)()
        line = 1
        while True:
            data = self._source.read(CHUNK)
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                start = line + data.count(b"\n", 0, error.start)
                raise Unreadable(start, "invalid_encoding", f"This line is not valid {self._encoding}.") from None
            line += text.count("\n")
            if text:
                yield text.encode("utf-8", "surrogatepass")
            if not data:
                return
