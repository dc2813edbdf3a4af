"""Payloads: JSON as compact bytes, zlib-compressed where that pays. The first byte says which."""

import json
import zlib
from typing import cast

from roadworthy.errors import InvalidInput
from roadworthy.records import Json

_PLAIN = b"j"
_DEFLATED = b"z"
_COMPRESS_FROM_BYTES = 512
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def canonical(value: Json) -> str:
    """JSON that is the same text for the same value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def pack(value: Json) -> bytes:
    """Bytes for storage. Raises `InvalidInput` for what JSON or the database cannot hold."""
    try:
        raw = _JSON.encode(value).encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            "The value contains text that is not valid Unicode (a lone surrogate).",
            hint="Decode it with errors='replace' before it is passed on.",
        ) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"The value cannot be stored as JSON: {error}.") from error
    if len(raw) < _COMPRESS_FROM_BYTES:
        return _PLAIN + raw
    return _DEFLATED + zlib.compress(raw, level=1)


def unpack(stored: bytes) -> Json:
    """The value that `pack` stored."""
    body = bytes(stored)
    raw = zlib.decompress(body[1:]) if body[:1] == _DEFLATED else body[1:]
    return cast("Json", json.loads(raw.decode()))  # of bytes, json would first find out how they are encoded
