"""`${NAME}` in the texts of a settings file, and the rule that no secret stands in one.

Each text of a file is looked at as it is written: a text that is a secret, or holds one, is refused. When
all layers lie over each other, `${NAME}` and `${NAME:-default}` are replaced from the environment (as in a
shell, an empty variable counts as not set); `$${` is a plain `${`. Values that come from variables are not
expanded again.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

from roadworthy.settings.layers import Layer, Table, parse_value, place_of, walk
from roadworthy.settings.lines import Key
from roadworthy.settings.secrecy import FromEnvironment, has_password, is_secret_name, starts_like_a_key

Finding = tuple[Key, str]
"""A key and what is wrong with it."""

_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^{}]*))?\}|\$\{")
_IN_FILE = "Secrets may not stand in a settings file"
_REMEDIES: dict[str | int, str] = {
    "models": "use api_key_env or api_key_file",
    "access": "use client_secret_env or client_secret_file",
}


def secret_findings(layer: Layer) -> list[Finding]:
    """Every key that is called like a secret, and every text in a file that is one."""
    found: list[Finding] = []
    for key, value in walk(layer.values):
        name = key[-1]
        if isinstance(name, str) and is_secret_name(name) and isinstance(value, str | int | float):
            found.append((key, _refusal(key)))
        elif isinstance(value, str) and place_of(layer.places, key).file:
            literal = _literal(value)
            if starts_like_a_key(literal):
                remedy = _REMEDIES.get(key[0], _REMEDIES["models"])
                found.append((key, f"The value of {name!r} looks like a secret. {_IN_FILE}: {remedy}."))
            elif has_password(literal):
                found.append(
                    (
                        key,
                        f"The URL in {name!r} contains a password. {_IN_FILE}: write ${{NAME}} in its place.",
                    )
                )
    return found


def _refusal(key: Key) -> str:
    remedy = _REMEDIES.get(key[0], "let the code that needs it read it from the environment")
    return f"{key[-1]!r} is the name of a secret. {_IN_FILE} or a variable that overrides one: {remedy}."


def _literal(text: str) -> str:
    """What of a text stands in the file itself: `${NAME}` is nothing, `${NAME:-x}` is x."""
    return _REFERENCE.sub(lambda m: m[3] or "", text)


def expand(layer: Layer, environ: Mapping[str, str]) -> tuple[Layer, list[Finding]]:
    """The layer with its references replaced, and what could not be."""
    found: list[Finding] = []
    readings = dict(layer.readings)

    def visit(value: object, key: Key) -> Any:
        if isinstance(value, dict):
            return {name: visit(item, (*key, name)) for name, item in cast("Table", value).items()}
        if isinstance(value, list):
            return [visit(item, (*key, position)) for position, item in enumerate(cast("list[Any]", value))]
        if not isinstance(value, str) or "${" not in value or not place_of(layer.places, key).file:
            return value
        text, problems = _replaced(value, environ)
        found.extend((key, problem) for problem in problems)
        if problems or not _refers(value):
            return text
        other = parse_value(text, value)
        if isinstance(other, bool | int | float):
            readings[key] = other
        return FromEnvironment(text, value)

    return Layer(visit(layer.values, ()), layer.places, readings), found


def _refers(text: str) -> bool:
    return any(match[1] for match in _REFERENCE.finditer(text))


def _replaced(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    problems: list[str] = []

    def replace(match: re.Match[str]) -> str:
        name, has_default, default = match[1], match[2], match[3]
        if match[0] == "$${":
            return "${"
        if name is None:
            problems.append(
                "A reference to the environment is written ${NAME} or ${NAME:-default}, a plain ${ as $${."
            )
            return ""
        value = environ.get(name, "")
        if not value and not has_default:
            problems.append(
                f"The environment variable {name!r} is not set. Set it, or write ${{{name}:-default}}."
            )
        if not is_text(value):
            problems.append(f"The environment variable {name!r} is not UTF-8 text.")
        return value or default or ""

    return _REFERENCE.sub(replace, text), problems


def is_text(value: str) -> bool:
    """False where the environment held bytes that are not UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in value)
