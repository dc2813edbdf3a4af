"""Bands by the error rate they give, learnt from reviewed answers and decided by; on either database."""

import random

import pytest
from tests.contract.evals.test_confidence import PROMPT, SETTINGS, load

from roadworthy.calls.calibrated import ConfidenceFile
from roadworthy.errors import SettingsError
from roadworthy.evals.confidence import Reviewed, learn
from roadworthy.review import Kind
from roadworthy.workflows import RunStatus

RATE = 0.05
DECIDES = """
[prompts.sort]
confidence = "confidence/sort.json"
[workflows.triage]
bands = { max_error_rate = 0.05 }
"""


def answers(seed, count, *, prompt_hash="abc", model="clerk-1", share=1.0):
    """Reviewed answers whose score is the probability that they are right, the sure ones drawn by share."""
    chance = random.Random(seed)
    found = []
    while len(found) < count:
        score = 1 - chance.random() ** 2 * 0.6
        sampled = score > 0.9 and share < 1
        if sampled and chance.random() > share:
            continue
        number = len(found)
        found.append(
            Reviewed(
                call_id=f"call_{seed}_{number}",
                workflow="triage",
                prompt_version="sort@v1",
                prompt_hash=prompt_hash,
                model=model,
                signals={"self_report": score},
                right=chance.random() < score,
                weight=1 / share if sampled else 1.0,
                sampled=sampled,
                at=number,
            )
        )
    return found


@pytest.fixture
def root(tmp_path, fresh_database_url):
    """A project whose workflow may be wrong in one of twenty."""
    (tmp_path / "roadworthy.toml").write_text(SETTINGS.format(url=fresh_database_url) + DECIDES)
    folder = tmp_path / "prompts" / "sort"
    folder.mkdir(parents=True)
    (folder / "v1.md").write_text(PROMPT)
    return tmp_path


async def decided(root, score):
    """How a run ends whose answer has this score, and why it waits where it does."""
    app = load(root)

    @app.workflow
    async def triage(text: str) -> str:
        decision = await app.decide(await app.sort(text=text))
        return f"{decision.by}: {decision.reason}"

    async with app.running():
        handle = await app.start(triage, text=str(score))
        while (await app.runs.get(handle.id)).status is not RunStatus.SUCCEEDED:
            held = [one for one in await app.reviews.open_items() if one.kind is Kind.DECISION]
            if held:
                await app.runs.cancel(handle.id)
                return held[0].reason
        return await handle.result()


def write(root, learnt):
    """Put a file of confidence where the settings say."""
    learnt.file.write(root / "confidence" / "sort.json")


def made_by(root):
    """What the answers of this project are made by."""
    content_hash = load(root).version("sort").content_hash
    return {"prompt_hash": content_hash, "model": f"{load.__module__}:load.<locals>.<lambda>"}


async def test_what_is_surer_than_the_band_is_decided_and_the_rest_is_asked(root):
    """The band is where the reviewed answers prove it."""
    learnt = learn("sort", answers(1, 4_000, **made_by(root)), 1_000, [RATE])
    band = learnt.file.bands["0.05"]
    assert band.proceed is not None
    assert band.wrong / band.cases <= RATE
    assert learnt.left_out["kept to prove bands by"] == 2_000
    write(root, learnt)
    assert ConfidenceFile.read(root / "confidence" / "sort.json") == learnt.file
    assert (await decided(root, 0.999)).startswith("rule: confidence")
    assert "is between" in await decided(root, 0.5)


async def test_without_proof_a_person_decides_everything(root):
    """Too few reviews, and another version of the prompt: nothing passes by itself."""
    made = made_by(root)
    learnt = learn("sort", answers(2, 60, **made), 1_000, [RATE])
    assert learnt.file.bands["0.05"].proceed is None
    write(root, learnt)
    assert "no score is proven to keep to 5.00%" in await decided(root, 0.999)
    write(root, learn("sort", answers(1, 4_000, **{**made, "prompt_hash": "another"}), 1_000, [RATE]))
    assert "nobody says how sure" in await decided(root, 0.999)
    write(root, learn("sort", answers(1, 4_000, **made), 1_000, [0.01]))
    assert "no score is proven to keep to 5.00%" in await decided(root, 0.999)


async def test_without_a_file_a_person_decides_everything(root):
    """A workflow that names an error rate, and nothing was learnt."""
    file = root / "roadworthy.toml"
    file.write_text(file.read_text().replace('confidence = "confidence/sort.json"\n', 'task = "sorting"\n'))
    assert "nothing was learnt" in await decided(root, 0.999)


@pytest.mark.parametrize(
    ("bands", "said"),
    [
        ("{ proceed = 0.9, max_error_rate = 0.02 }", "both 'proceed' and 'max_error_rate'"),
        ("{ reject = 0.1 }", "neither 'proceed' nor 'max_error_rate'"),
        ("{ max_error_rate = 0 }", "more than 0"),
    ],
)
def test_a_band_is_said_in_one_way(root, bands, said):
    """By a score, or by an error rate."""
    file = root / "roadworthy.toml"
    file.write_text(file.read_text().replace("{ max_error_rate = 0.05 }", bands))
    with pytest.raises(SettingsError, match=said):
        load(root)


@pytest.mark.slow
@pytest.mark.parametrize("share", [1.0, 0.2])
def test_the_error_rate_is_kept_to(share):
    """Of 60 bands, at most 5% and chance let through more than they may, sampled or not."""
    broken = found = 0
    for seed in range(60):
        band = learn("sort", answers(seed, 2_000, share=share), 1_000, [RATE]).file
        proven = band.bands["0.05"].proceed
        if proven is None:
            continue
        found += 1
        chance = random.Random(-seed)
        scores = [1 - chance.random() ** 2 * 0.6 for _ in range(20_000)]
        passed = [score for score in scores if band.calibration.apply([score]) >= proven]
        wrong = sum(1 - score for score in passed) / max(1, len(passed))
        broken += wrong > RATE
    assert found >= 20
    assert broken <= 8, f"{broken} of {found}"
