"""A project's settings: `roadworthy.toml`, its overlays and the environment, as one frozen `Settings`."""

from roadworthy.settings.listed import Listed, listed_settings
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
    BandSettings,
    BreakerSettings,
    DatabaseSettings,
    LaterSettings,
    ModelSettings,
    PriceSettings,
    ProjectSettings,
    PromptSettings,
    ProviderName,
    ReviewSampleSettings,
    ReviewSettings,
    RouteRuleSettings,
    RouteSettings,
    ScheduleSettings,
    WorkflowSettings,
)
from roadworthy.settings.openid import AdmitSettings, OpenIdSettings
from roadworthy.settings.operation import (
    AccessSettings,
    AuditSettings,
    LimitSettings,
    ReleaseSettings,
    RetentionSettings,
    TelemetrySettings,
    WorkerSettings,
)
from roadworthy.settings.read import FILE_NAME, find_root
from roadworthy.settings.service import ServiceSettings

__all__ = [
    "FILE_NAME",
    "AccessSettings",
    "AdmitSettings",
    "AnswerCacheSettings",
    "AuditSettings",
    "BackoffSettings",
    "BandSettings",
    "BreakerSettings",
    "BudgetSettings",
    "DatabaseSettings",
    "LaterSettings",
    "LimitSettings",
    "Listed",
    "ModelSettings",
    "OpenIdSettings",
    "PriceSettings",
    "ProjectSettings",
    "PromptSettings",
    "ProviderBatchSettings",
    "ProviderName",
    "ReleaseSettings",
    "ResidencySettings",
    "ResilienceSettings",
    "RetentionSettings",
    "ReviewSampleSettings",
    "ReviewSettings",
    "RouteRuleSettings",
    "RouteSettings",
    "ScheduleSettings",
    "Sections",
    "ServiceSettings",
    "Settings",
    "TelemetrySettings",
    "ThrottleSettings",
    "WorkerSettings",
    "WorkflowSettings",
    "find_root",
    "listed_settings",
]
