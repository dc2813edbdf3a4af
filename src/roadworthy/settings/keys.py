"""Keys of models and of the audit log, and client secrets: from the environment or a file of their own."""

import os
import re
from pathlib import Path

from pydantic import SecretStr

from roadworthy.settings.model import ModelSettings
from roadworthy.settings.openid import OpenIdSettings
from roadworthy.settings.operation import AuditSettings
from roadworthy.settings.secrecy import looks_secret

_SHORTEST_AUDIT_KEY = 32


def find_key(model: ModelSettings, root: Path) -> tuple[SecretStr | None, str]:
    """The key, or `None` and why there is none; the reason is empty when the model needs no key."""
    if model.api_key_file is not None:
        return _from_file(root / Path(model.api_key_file).expanduser(), model.api_key_file)
    variable = model.key_variable
    return (None, "") if variable is None else _from_variable(variable, "api_key_env")


def find_client_secret(provider: OpenIdSettings, root: Path) -> tuple[SecretStr | None, str]:
    """The secret, or `None` and why there is none; the reason is empty for a public client."""
    if provider.client_secret_file is not None:
        path = root / Path(provider.client_secret_file).expanduser()
        return _from_file(path, provider.client_secret_file)
    variable = provider.client_secret_env
    return (None, "") if variable is None else _from_variable(variable, "client_secret_env")


def find_audit_keys(
    audit: AuditSettings, root: Path
) -> tuple[SecretStr | None, list[SecretStr], dict[str, str]]:
    """The key that signs, earlier ones, and why one that is named cannot be used, by the setting's name."""
    reasons: dict[str, str] = {}

    def take(setting: str, found: tuple[SecretStr | None, str]) -> SecretStr | None:
        key, reason = found
        if key is not None and len(key.get_secret_value()) < _SHORTEST_AUDIT_KEY:
            reason = f"The key of the audit log has fewer than {_SHORTEST_AUDIT_KEY} characters."
        if reason:
            reasons[setting] = reason
        return key

    current = None
    if audit.key_file is not None:
        path = root / Path(audit.key_file).expanduser()
        current = take("key_file", _from_file(path, audit.key_file))
    elif audit.key_env is not None:
        current = take("key_env", _from_variable(audit.key_env, "key_env"))
    files = [(root / Path(name).expanduser(), name) for name in audit.old_key_files]
    old = [take("old_key_files", _from_file(path, name)) for path, name in files]
    return current, [key for key in old if key is not None], reasons


def _from_variable(variable: str, setting: str) -> tuple[SecretStr | None, str]:
    harmless = re.fullmatch(r"[A-Z][A-Z0-9_]*", variable) and not looks_secret(variable)
    named = repr(variable) if harmless else f"named in {setting}"
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
