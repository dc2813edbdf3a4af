"""Chat completions over OpenAI's SDK, without what it does again for every request.

The SDK walks all messages along the types of its parameters, to rename what some formats spell differently
(in this one nothing is), puts its headers together anew, and builds the answer field by field from types
again: more CPU than sending and reading take. Here a request is one body, sent as it is given; an answer that
has the declared form is read in one go, any other as the SDK reads it. Errors are the SDK's, so that the
library understands them. Whatever is not a plain request (a stream, a query) still goes the SDK's way.
"""

import json
import ssl
from contextlib import suppress
from typing import Any, Final, cast

import anyio
import httpx2
from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI, NotGiven, Omit, not_given
from openai.resources.chat import AsyncCompletions
from openai.types.chat import ChatCompletion
from pydantic import ValidationError

_BROKEN: Final = (httpx2.RequestError, ssl.SSLError, anyio.EndOfStream)
"""What the SDK calls a connection error."""
_KEPT_HEADERS: Final = 64
_SDK_ABOUT_ITSELF: Final = "x-stainless-"
"""Headers in which the SDK describes this machine; no request needs them."""


def shorten(client: AsyncOpenAI, http: httpx2.AsyncClient) -> None:
    """Let this client's chat completions go the short way, over its own HTTP client.

    For a client without retries, whose address, key and headers do not change any more.
    """
    ChatCompletion.model_rebuild()  # the SDK puts that off; no request should wait for it
    client.chat.completions = Completions(client, http)  # pyright: ignore[reportAttributeAccessIssue]


class Completions(AsyncCompletions):
    """`client.chat.completions`."""

    def __init__(self, client: AsyncOpenAI, http: httpx2.AsyncClient) -> None:
        super().__init__(client)
        self._http = http
        self._url = httpx2.URL(f"{str(client.base_url).rstrip('/')}/chat/completions")
        self._given = {
            name: value
            for name, value in {**client.default_headers, **client.auth_headers}.items()
            if isinstance(value, str) and not name.lower().startswith(_SDK_ABOUT_ITSELF)
        }
        self._headers: dict[tuple[tuple[str, str], ...], httpx2.Headers] = {}

    async def create(self, **given: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One completion, as the SDK would return it."""
        timed = _is_given(given.get("timeout", not_given))
        if given.get("stream") is True or given.get("extra_query") or not timed:
            return cast("object", await super().create(**given))  # type: ignore[reportUnknownMemberType]
        given.pop("extra_query", None)
        request = self._request(**given)
        try:
            response = await self._http.send(request)
        except httpx2.TimeoutException as error:
            raise APITimeoutError(request) from error
        except _BROKEN as error:
            raise APIConnectionError(request=request) from error
        if not response.is_success:
            raise _refused(response)
        return _completion(response)

    def _request(
        self,
        *,
        timeout: Any,
        extra_headers: dict[str, str] | None = None,
        extra_body: dict[str, Any] | None = None,
        **given: Any,
    ) -> httpx2.Request:
        body = {key: value for key, value in given.items() if _is_given(value)}
        body |= extra_body or {}
        return httpx2.Request(
            "POST",
            self._url,
            headers=self._headers_with(tuple((extra_headers or {}).items())),
            content=json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(),
            extensions={"timeout": httpx2.Timeout(timeout).as_dict()},
        )

    def _headers_with(self, extra: tuple[tuple[str, str], ...]) -> httpx2.Headers:
        headers = self._headers.get(extra)
        if headers is None:
            given = httpx2.Headers(self._given)
            given.update(dict(extra))
            headers = self._http.build_request("POST", self._url, headers=given).headers
            del headers["content-length"]  # of no body at all
            if len(self._headers) >= _KEPT_HEADERS:
                self._headers.clear()
            self._headers[extra] = headers
        return headers


def _is_given(value: object) -> bool:
    return not isinstance(value, (Omit, NotGiven))


def _completion(response: httpx2.Response) -> Any:
    with suppress(ValidationError):  # of another form: the library judges whatever the SDK makes of it
        return ChatCompletion.model_validate_json(response.content)
    try:
        data = response.json()
    except ValueError:
        if response.headers.get("content-type", "").split(";")[0].endswith("json"):
            raise
        return response.text
    return ChatCompletion.construct(**cast("dict[str, Any]", data)) if isinstance(data, dict) else data


def _refused(response: httpx2.Response) -> APIStatusError:
    """The error of a status that is no success, with the message by which the library judges it."""
    message = f"Error code: {response.status_code}"
    said: Any = response.text.strip()
    with suppress(ValueError):
        said = json.loads(said)
    if isinstance(said, dict):
        said = cast("dict[str, Any]", said).get("error", cast("object", said))
    told: object = cast("dict[str, Any]", said).get("message") if isinstance(said, dict) else None
    if isinstance(told, str) and told:
        message = f"{message} - {told}"
    return APIStatusError(message, response=response, body=cast("object", said))
