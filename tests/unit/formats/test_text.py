"""Bytes to text."""

from __future__ import annotations

import pytest

from app.formats.problems import ImportProblem
from app.formats.text import decode
from app.formats.zones import iana_name

TEXT = "BEGIN:VCALENDAR\r\nSUMMARY:Zajęty – Café\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode(encoding: str):
    assert decode(TEXT.encode(encoding)) == TEXT


def test_windows_latin():
    assert decode("SUMMARY:Müller – Café".encode("cp1252")) == "SUMMARY:Müller – Café"


def test_a_line_folded_inside_a_letter():
    letter = "é".encode()
    assert "Café" in decode(b"SUMMARY:Caf" + letter[:1] + b"\r\n " + letter[1:] + b"\r\n")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b" \r\n\t", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\x00" * 100, "is empty"),
        (b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00", "is not a text file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is not a text file"),
        (b"\xff\xfea\x00\x00\xd8b\x00", "starts like UTF-16 text but is not"),
        (b"x" * 11 * 1024 * 1024, "is larger than 10 MB"),
    ],
)
def test_what_is_no_text(data: bytes, message: str):
    with pytest.raises(ImportProblem, match=message):
        decode(data)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Europe/Berlin", "Europe/Berlin"), ("EUROPE/BERLIN", "Europe/Berlin"), ("Tokyo Standard Time", "Asia/Tokyo"),
        ("/citadel.org/20210210_1/America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"), ("GMT", "UTC"),
        ("", None), (None, None), ("../../etc/passwd", None), ("Customized Time Zone", None), ("America", None), ("/", None),
    ],
)  # fmt: skip
def test_names_of_time_zones(name: str | None, expected: str | None):
    assert iana_name(name) == expected
