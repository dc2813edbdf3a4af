"""The key of an answer: what has to be the same for an answer to be given again.

It is a SHA-256 over canonical JSON of the models that would be asked with their settings, the settings of the
request, the answer's schema, the prompt's version, the policy, who asks, and the role and length of every
message, with the texts of the messages behind it. Nothing that differs from call to call is in it. What calls
have in common is hashed once: `Digests`.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from roadworthy.models.provider import Message
from roadworthy.models.target import Target

_FORM = 1
"""To be counted up when the key comes to mean something else."""
_MOST_KEPT = 256
_LONGEST_KEPT = 16_000
"""Characters: of longer messages no key is kept."""

_JSON = json.JSONEncoder(ensure_ascii=True, sort_keys=True, separators=(",", ":"), default=str)
"""Canonical, and of any text: half characters are escaped like all others that are not ASCII."""


class Digests:
    """Digests of what many calls have in common. One for a project; an object is looked at only once."""

    def __init__(self) -> None:
        self._plans: OrderedDict[tuple[Target, ...], str] = OrderedDict()
        self._schemas: OrderedDict[int, tuple[Mapping[str, Any], str]] = OrderedDict()

    def of_models(self, targets: tuple[Target, ...]) -> str:
        """Of these models and their settings, in this order."""
        digest = self._plans.get(targets)
        if digest is None:
            digest = _hash([_identity(target) for target in targets])
            self._plans[targets] = digest
            _shorten(self._plans)
        return digest

    def of_schema(self, schema: Mapping[str, Any] | None) -> str:
        """Of a schema. Pass the same object again, unchanged."""
        if schema is None:
            return ""
        kept = self._schemas.get(id(schema))
        if kept is not None and kept[0] is schema:
            return kept[1]
        digest = _hash(schema)
        self._schemas[id(schema)] = (schema, digest)
        _shorten(self._schemas)
        return digest


def answer_key(
    messages: Sequence[Message],
    *,
    digests: Digests,
    targets: tuple[Target, ...],
    prompt_hash: str,
    output_schema: Mapping[str, Any] | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
    stop: Sequence[str] = (),
    policy: str = "",
    scope: Sequence[str] = (),
    permissions: Sequence[str] = (),
    inputs: Mapping[str, Any] | None = None,
) -> str | None:
    """The key of the answer to this request: 64 hexadecimal digits.

    Args:
        messages: As rendered.
        digests: Where digests of models and schemas are kept.
        targets: The models that would be asked, in order.
        prompt_hash: The content hash of the prompt's version.
        output_schema: The answer's schema; the same object for all calls of a prompt.
        temperature: As the prompt says.
        max_tokens: As the prompt says.
        seed: As the prompt says.
        stop: As the prompt says.
        policy: The version of whatever else decides what an answer may be: guardrails, checks.
        scope: For whom the answer is: nothing for everyone, else the tenant, or tenant and user.
        permissions: What the asker may see, in any order.
        inputs: The prompt's inputs; they count only where a function is among the models, which gets them.

    Returns:
        None where a function is among the models and the inputs have no form in which they can be compared:
        the answer must not be given again then.
    """
    seen: Any = None
    if any(target.provider == "python" for target in targets):
        try:
            seen = to_jsonable_python(dict(inputs or {}))
        except (PydanticSerializationError, ValueError, RecursionError):
            return None
    common = (
        digests.of_models(targets),
        digests.of_schema(output_schema),
        prompt_hash,
        policy,
        tuple(scope),
        tuple(sorted(set(permissions))),
        (temperature, max_tokens, seed, tuple(stop)),
    )
    told = tuple((message.role, message.text) for message in messages)
    if seen is None and sum(len(text) for _, text in told) <= _LONGEST_KEPT:
        return _kept_key(common, told)
    return _key(common, told, seen)


def _key(common: tuple[Any, ...], messages: tuple[tuple[str, str], ...], seen: Any = None) -> str:
    texts = [text.encode(errors="surrogatepass") for _, text in messages]
    lengths = [(role, len(text)) for (role, _), text in zip(messages, texts, strict=True)]
    head = _JSON.encode([_FORM, *common, lengths, seen])
    # Escaping long texts for JSON would take longer than hashing them; lengths keep them apart as well.
    return hashlib.sha256(b"".join((head.encode(), *texts))).hexdigest()


_kept_key = lru_cache(maxsize=_MOST_KEPT)(_key)
"""What is asked again is asked for with the same texts, which are faster compared than hashed."""


def _identity(target: Target) -> list[Any]:
    """What decides how a model answers."""
    its = target.settings
    return [
        target.name,
        its.provider,
        target.model,
        its.base_url,
        its.api_version,
        its.region,
        its.options,
        its.output_mode,
        its.max_tokens,
    ]


def _hash(value: Any) -> str:
    return hashlib.sha256(_JSON.encode(value).encode()).hexdigest()


def _shorten(kept: OrderedDict[Any, Any]) -> None:
    if len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
