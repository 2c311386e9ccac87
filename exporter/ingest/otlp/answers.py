"""Bodies of OTLP/HTTP answers, in the format of the request.

They have at most two fields and are encoded here: the answer to a wrong token must not import protobuf.
"""

from typing import Final

import msgspec

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"


def export_response(media: str, rejected: int, message: str) -> bytes:
    """An `ExportLogsServiceResponse`. With a message and no rejected record it is a warning."""
    if not message:
        return b"{}" if media == JSON else b""
    if media == JSON:
        # Integers of 64 bits are strings in the JSON of protobuf.
        partial = {"rejectedLogRecords": str(rejected), "errorMessage": message}
        return msgspec.json.encode({"partialSuccess": partial})
    count = b"\x08" + _varint(rejected) if rejected else b""
    return _field(1, count + _text(2, message))


def status(media: str, message: str) -> bytes:
    """A `google.rpc.Status`; OTLP/HTTP does not use its code."""
    return msgspec.json.encode({"message": message}) if media == JSON else _text(2, message)


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode("utf-8", "replace"))


def _field(number: int, data: bytes) -> bytes:
    """A field of bytes, text or a message."""
    return bytes((number << 3 | 2,)) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*encoded, number))
