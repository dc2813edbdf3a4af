"""Requests to a provider: bounded in time and size, without redirects, answered in JSON or not at all."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NoReturn, cast

import httpx2

from roadworthy.access.openid.trouble import Trouble

_MOST_BYTES = 256_000
_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "roadworthy"}

Object = dict[str, Any]


def client() -> httpx2.AsyncClient:
    """Connections to one provider. Reads the system's certificates: not on the event loop."""
    return httpx2.AsyncClient(follow_redirects=False, headers=_HEADERS, timeout=None)


async def fetch(
    connections: httpx2.AsyncClient,
    url: str,
    *,
    seconds: float,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Object]:
    """The status and the JSON object that are answered; with a `form` it is a POST. Raises `Trouble`."""
    try:
        async with (
            asyncio.timeout(seconds),
            connections.stream(
                "GET" if form is None else "POST", url, data=form, headers=headers or {}
            ) as response,
        ):
            content = await _read(response)
            status = response.status_code
    except TimeoutError:
        raise Trouble(f"gave no whole answer within {seconds:g} seconds") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise Trouble(f"cannot be reached ({type(error).__name__})") from None
    finally:
        connections.cookies.clear()  # what it says to one person's request is not told with the next one's
    if 300 <= status < 400:  # noqa: PLR2004 - another place was never agreed on
        raise Trouble(f"answered {status}, a redirect")
    try:
        found = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Trouble(f"answered {status} with something that is no JSON object")
    return status, cast("Object", found)


async def _read(response: httpx2.Response) -> bytes:
    """The body as it was sent: one that is packed could be of any size."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Trouble("answered with a packed body, which was not asked for")
    content = b""
    async for part in response.aiter_raw():
        content += part
        if len(content) > _MOST_BYTES:
            raise Trouble(f"answered with more than {_MOST_BYTES:,} bytes")
    return content


def _no_number(_: str) -> NoReturn:
    raise ValueError
