"""The public API as type checkers see it: Pyright, strict, over the modules of this folder, run once."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import roadworthy

FOLDER = Path(__file__).parent
MODULES = sorted(path.name for path in FOLDER.glob("*.py") if not path.name.startswith("test_"))


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Everything that Pyright finds wrong."""
    place = tmp_path_factory.mktemp("pyright")  # away from the project's own configuration
    for name in MODULES:
        shutil.copy(FOLDER / name, place)
    settings = {
        "extraPaths": [str(Path(roadworthy.__file__).parents[1])],
        "pythonVersion": "3.11",
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    (place / "pyrightconfig.json").write_text(json.dumps(settings))
    asked = ["--outputjson", "--pythonpath", sys.executable, "-p", str(place)]
    command = [sys.executable, "-m", "pyright", *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(MODULES), done.stderr
    return report["generalDiagnostics"]


@pytest.mark.parametrize("module", MODULES)
def test_the_public_api_has_the_types_that_it_promises(complaints, module):
    """Pyright agrees with every `assert_type`, and refuses what is marked as wrong."""
    found = [
        f"line {one['range']['start']['line'] + 1}: {one['message']}"
        for one in complaints
        if Path(one["file"]).name == module
    ]
    assert found == []
