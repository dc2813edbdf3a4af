"""What operators watch: where money went, and where it will have gone by the end of the month."""

from roadworthy.monitoring.costs import Figures, Report, Row, costs, sum_of
from roadworthy.monitoring.early_exits import EarlyExit
from roadworthy.monitoring.forecast import Forecast, forecast
from roadworthy.monitoring.pace import Pace
from roadworthy.monitoring.query import Dimension, Filter, Key, Query

__all__ = [
    "Dimension",
    "EarlyExit",
    "Figures",
    "Filter",
    "Forecast",
    "Key",
    "Pace",
    "Query",
    "Report",
    "Row",
    "costs",
    "forecast",
    "sum_of",
]
