"""Compressed files, and files that are not text, recognized by their first bytes."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Final

from exporter.errors import Rejected

Stream = io.BufferedIOBase | IO[bytes]
ERRORS: Final = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)
"""Errors of reading a damaged or encrypted file, besides OSError."""
_UNREADABLE: Final = {
    b"\x28\xb5\x2f\xfd": "zstd: unpack it, zstd -dc FILE | session-end-exporter send -",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (xls): save it as CSV UTF-8",
    b"PAR1": "Parquet: export it as CSV or NDJSON",
}
_WORKBOOKS: Final = {"xl/workbook.xml": "an Excel workbook", "content.xml": "a spreadsheet (ods)"}


def decompressed(file: "io.BufferedReader[Any]", path: Path) -> tuple[Stream, str]:
    """The content of a file, and the file's name without a compression suffix.

    Raises `Rejected` for formats that cannot be read, with the remedy.
    """
    head = file.peek(8)
    name = path.name.lower()
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file), name.removesuffix(".gz")
    if head.startswith(b"BZh"):
        return bz2.BZ2File(file), name.removesuffix(".bz2")
    if head.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(file), name.removesuffix(".xz")
    if head.startswith(b"PK\x03\x04"):
        return _only_member(file)
    for magic, remedy in _UNREADABLE.items():
        if head.startswith(magic):
            raise Rejected("invalid_json", f"the file is {remedy}")
    return file, name


def _only_member(file: "io.BufferedReader[Any]") -> tuple[Stream, str]:
    if not file.seekable():
        raise Rejected("invalid_json", "zip can't be read from a pipe: name the file, or unpack it")
    archive = zipfile.ZipFile(file)
    names = [name for name in archive.namelist() if not name.endswith("/")]
    for part, workbook in _WORKBOOKS.items():
        if part in names:
            raise Rejected("invalid_json", f"the file is {workbook}: save it as CSV UTF-8")
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if len(names) != 1:
        rule = f"a zip with {len(names)} files, but a zip must have a single file: unpack it"
        raise Rejected("invalid_json", rule)
    return archive.open(names[0]), names[0].lower()
