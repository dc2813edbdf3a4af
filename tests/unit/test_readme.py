"""The README's program runs as it stands."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"

SETTINGS = """
[project]
name = "readme"

[models.scripted]
provider = "python"
function = "answers:reply"

[routes.default]
models = ["scripted"]
"""

PROMPT = """---
inputs:
  ticket: object
---
# user
{{ ticket.text }}
"""

ANSWERS = """
def reply(request):
    return {"outcome": "answer", "message": "It is on its way."}
"""


@pytest.mark.slow
async def test_the_program_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The workflow shown first answers a ticket, once, through a decision."""
    program = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[0]
    (tmp_path / "roadworthy.toml").write_text(SETTINGS)
    (tmp_path / "prompts" / "draft-reply").mkdir(parents=True)
    (tmp_path / "prompts" / "draft-reply" / "v1.md").write_text(PROMPT)
    (tmp_path / "answers.py").write_text(ANSWERS)
    (tmp_path / "readme_program.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)
    import readme_program

    async with readme_program.app.running() as app:
        handle = await app.start(readme_program.answer_ticket, "t-17")
        reply = await handle.result(timeout_seconds=30)
        steps = await app.runs.steps(handle.id)
    assert reply.message == "It is on its way."
    assert [step.name for step in steps] == ["fetch_ticket", "draft-reply", "send_reply"]
    assert capsys.readouterr().out.count("t-17: It is on its way.") == 1
