"""What the statistics cost before they are used."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_numpy_is_loaded_by_those_who_resample_only() -> None:
    """Importing, shares, McNemar's test and applying a calibration do without it."""
    program = """
import sys

import pytest
from roadworthy.evals.statistics import Calibration, corrected_rate, mcnemar, mean, tango, wilson
wilson(9, 10), tango(1, 2, 10), mcnemar(1, 2), mean([[1.0], [0.0]])
corrected_rate([1.0, 0.0], [1.0, 0.0], [1.0, 0.0])
Calibration("logistic", 0.0, (1.0,)).apply([0.7])
print("numpy" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
