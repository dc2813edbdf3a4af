"""A project's settings: `roadworthy.toml`, its overlays and the environment, as one frozen `Settings`."""

from roadworthy.settings.load import Sections, Settings
from roadworthy.settings.means import (
    BudgetSettings,
    ProviderBatchSettings,
    ResidencySettings,
    ResilienceSettings,
    ThrottleSettings,
)
from roadworthy.settings.model import (
    AnswerCacheSettings,
    BackoffSettings,
    BreakerSettings,
    DatabaseSettings,
    LaterSettings,
    ModelSettings,
    PriceSettings,
    ProjectSettings,
    PromptSettings,
    ProviderName,
    RouteRuleSettings,
    RouteSettings,
    ScheduleSettings,
    WorkflowSettings,
)
from roadworthy.settings.operation import (
    AccessSettings,
    AuditSettings,
    LimitSettings,
    RetentionSettings,
    TelemetrySettings,
    WorkerSettings,
)
from roadworthy.settings.read import FILE_NAME, find_root

__all__ = [
    "FILE_NAME",
    "AccessSettings",
    "AnswerCacheSettings",
    "AuditSettings",
    "BackoffSettings",
    "BreakerSettings",
    "BudgetSettings",
    "DatabaseSettings",
    "LaterSettings",
    "LimitSettings",
    "ModelSettings",
    "PriceSettings",
    "ProjectSettings",
    "PromptSettings",
    "ProviderBatchSettings",
    "ProviderName",
    "ResidencySettings",
    "ResilienceSettings",
    "RetentionSettings",
    "RouteRuleSettings",
    "RouteSettings",
    "ScheduleSettings",
    "Sections",
    "Settings",
    "TelemetrySettings",
    "ThrottleSettings",
    "WorkerSettings",
    "WorkflowSettings",
    "find_root",
]
