"""A project's settings: `roadworthy.toml`, its overlays and the environment, as one frozen `Settings`."""

from roadworthy.settings.load import Sections, Settings
from roadworthy.settings.model import (
    BackoffSettings,
    DatabaseSettings,
    ModelSettings,
    PriceSettings,
    ProjectSettings,
    PromptSettings,
    ProviderName,
    RouteSettings,
    ScheduleSettings,
    WorkflowSettings,
)
from roadworthy.settings.operation import LimitSettings, RetentionSettings, TelemetrySettings, WorkerSettings
from roadworthy.settings.read import FILE_NAME, find_root

__all__ = [
    "FILE_NAME",
    "BackoffSettings",
    "DatabaseSettings",
    "LimitSettings",
    "ModelSettings",
    "PriceSettings",
    "ProjectSettings",
    "PromptSettings",
    "ProviderName",
    "RetentionSettings",
    "RouteSettings",
    "ScheduleSettings",
    "Sections",
    "Settings",
    "TelemetrySettings",
    "WorkerSettings",
    "WorkflowSettings",
    "find_root",
]
