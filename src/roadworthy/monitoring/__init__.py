"""What operators watch: where money went, and where it will have gone by the end of the month."""

from roadworthy.monitoring.arms import MEASURES, ArmOutcome, Outcomes, outcomes
from roadworthy.monitoring.costs import Others, Report, costs
from roadworthy.monitoring.early_exits import EarlyExit
from roadworthy.monitoring.figures import Figures, Row, sum_of
from roadworthy.monitoring.forecast import Forecast, forecast
from roadworthy.monitoring.latency import Latency, latencies
from roadworthy.monitoring.pace import Pace
from roadworthy.monitoring.query import Dimension, Filter, Key, Query
from roadworthy.monitoring.rollups import RollUps

__all__ = [
    "MEASURES",
    "ArmOutcome",
    "Dimension",
    "EarlyExit",
    "Figures",
    "Filter",
    "Forecast",
    "Key",
    "Latency",
    "Others",
    "Outcomes",
    "Pace",
    "Query",
    "Report",
    "RollUps",
    "Row",
    "costs",
    "forecast",
    "latencies",
    "outcomes",
    "sum_of",
]
