"""Roadworthy takes a script that calls a language model to a system that people depend on."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.calls import Answer, Decision
    from roadworthy.errors import (
        ConfigurationError,
        ConflictError,
        DatabaseError,
        InvalidAnswer,
        InvalidInput,
        LimitError,
        NotFound,
        ProviderError,
        Rejected,
        RoadworthyError,
        StepFailed,
        StepTimeout,
        TransportError,
        UserError,
    )
    from roadworthy.records import Usage
    from roadworthy.settings import Settings
    from roadworthy.workflows import Handle, Retry, Run, RunStatus, skip

__version__ = "0.1.0"

_HOME = {
    "App": "app",
    "Answer": "calls",
    "Decision": "calls",
    "Usage": "records",
    "Settings": "settings",
    "Handle": "workflows",
    "Retry": "workflows",
    "Run": "workflows",
    "RunStatus": "workflows",
    "skip": "workflows",
}
"""Where each public name lives. They are loaded when first used, so that `import roadworthy` stays cheap."""

__all__ = [
    "Answer",
    "App",
    "ConfigurationError",
    "ConflictError",
    "DatabaseError",
    "Decision",
    "Handle",
    "InvalidAnswer",
    "InvalidInput",
    "LimitError",
    "NotFound",
    "ProviderError",
    "Rejected",
    "Retry",
    "RoadworthyError",
    "Run",
    "RunStatus",
    "Settings",
    "StepFailed",
    "StepTimeout",
    "TransportError",
    "Usage",
    "UserError",
    "skip",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'roadworthy' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"roadworthy.{_HOME.get(name, 'errors')}"), name)
    globals()[name] = value
    return value
