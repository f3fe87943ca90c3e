"""Bytes of unknown encoding to text."""

from __future__ import annotations

import codecs
import re

from app.formats.problems import ImportProblem

MAX_BYTES = 10 * 1024 * 1024

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FOLD = re.compile(rb"\r?\n[ \t]")
_NOT_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def decode(data: bytes, *, max_bytes: int = MAX_BYTES) -> str:
    """Text of a file in UTF-8 (with or without BOM), UTF-16, UTF-32 or, where it is none of these, Windows' Latin.

    Raises ImportProblem for a file that is empty, larger than `max_bytes`, or not text at all.
    """
    if len(data) > max_bytes:
        raise ImportProblem(f"is larger than {max_bytes / 1048576:g} MB")
    if not data.strip(b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"):
        raise ImportProblem("is empty")
    text = _decode(data)
    if _NOT_TEXT.search(text):
        raise ImportProblem("is not a text file")
    return text


def _decode(data: bytes) -> str:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                raise ImportProblem(f"starts like {encoding.upper().removesuffix('-SIG')} text but is not") from None
    wide = _wide_without_bom(data)
    # A line may be folded in the middle of a letter's bytes: then only the unfolded bytes are UTF-8.
    for encoding, content in ((wide, data), ("utf-8", data), ("utf-8", _FOLD.sub(b"", data))):
        try:
            if encoding:
                return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("cp1252", errors="replace")


def _wide_without_bom(data: bytes) -> str | None:
    """UTF-16 shows itself by a zero in every other byte of plain letters."""
    head = data[:200]
    if len(head) < 8 or b"\x00" not in head:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > len(head) // 4 and even == 0:
        return "utf-16-le"
    if even > len(head) // 4 and odd == 0:
        return "utf-16-be"
    return None
