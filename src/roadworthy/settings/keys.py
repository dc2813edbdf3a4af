"""The key of a model, from the environment or from a file of its own, read at the moment it is needed."""

import os
import re
from pathlib import Path

from pydantic import SecretStr

from roadworthy.settings.model import ModelSettings
from roadworthy.settings.secrecy import looks_secret


def find_key(model: ModelSettings, root: Path) -> tuple[SecretStr | None, str]:
    """The key, or `None` and why there is none; the reason is empty when the model needs no key."""
    if model.api_key_file is not None:
        return _from_file(root / Path(model.api_key_file).expanduser(), model.api_key_file)
    variable = model.key_variable
    if variable is None:
        return None, ""
    harmless = re.fullmatch(r"[A-Z][A-Z0-9_]*", variable) and not looks_secret(variable)
    named = repr(variable) if harmless else "named in api_key_env"
    return _checked(os.environ.get(variable, ""), f"The environment variable {named}", "is not set")


def _from_file(path: Path, name: str) -> tuple[SecretStr | None, str]:
    what = f"The file {name!r}"
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        return None, f"{what} is not UTF-8 text."
    except OSError as error:
        return None, f"{what} cannot be read: {error.strerror or type(error).__name__}."
    return _checked(text, what, "is empty")


def _checked(text: str, what: str, if_empty: str) -> tuple[SecretStr | None, str]:
    key = text.strip()
    if not key:
        return None, f"{what} {if_empty}."
    if not key.isascii() or not key.isprintable() or " " in key:
        return (
            None,
            f"{what} holds something other than one key: spaces, line breaks or letters that no key has.",
        )
    return SecretStr(key), ""
