"""`batch run --within`: a time that people write."""

import pytest

from roadworthy.cli.batch_run import within_of
from roadworthy.errors import InvalidInput


@pytest.mark.parametrize(
    ("given", "seconds"), [("90s", 90), ("30m", 1_800), ("6h", 21_600), ("1.5d", 129_600), (None, None)]
)
def test_a_time_is_a_number_and_a_unit(given, seconds):
    """Left out, the settings say it."""
    assert within_of(given, "provider-batch") == seconds


@pytest.mark.parametrize("given", ["", "6", "h", "-1h", "0h", "6 weeks", "1e3s"])
def test_what_is_no_time_is_refused(given):
    """With an example of one."""
    with pytest.raises(InvalidInput, match="is no time"):
        within_of(given, "provider-batch")


def test_the_live_lane_waits_for_nothing():
    """A deadline without the lane that it is for is a mistake."""
    with pytest.raises(InvalidInput, match="how long a lane may wait"):
        within_of("6h", "live")
