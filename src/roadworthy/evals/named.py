"""What a suite names in the project's code as `module:name`, and the digest of that code."""

import hashlib
import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

from roadworthy.errors import ConfigurationError


def named(name: str, root: Path, suite: str) -> Any:
    """What stands there. Raises `ConfigurationError` where it cannot be imported."""
    module, _, attribute = name.partition(":")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{suite}/suite.toml: {name!r} cannot be imported: {error}.") from error


def code_of(its: Any) -> str:
    """A digest of the module that a function or a class stands in: what it calls there counts as well."""
    module = inspect.getmodule(its)
    try:
        source = inspect.getsource(module) if module is not None else inspect.getsource(its)
    except (OSError, TypeError):
        source = repr(getattr(its, "__code__", its))
    return hashlib.sha256(source.encode()).hexdigest()
