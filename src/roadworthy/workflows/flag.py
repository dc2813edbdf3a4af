"""Reading a flag: in a workflow it is a step, so that a replay takes the same way; elsewhere just a look.

The same flag read again for the same key in the same run has the value it had, whatever was set meanwhile.
"""

import asyncio
from functools import partial

from roadworthy.errors import Bug
from roadworthy.records import Json
from roadworthy.releases import Assigned, Releases, exposure, flag_subject
from roadworthy.workflows.context import StepContext, current_run, current_step
from roadworthy.workflows.run import StepKind
from roadworthy.workflows.step import Spec, execute


async def read_flag(releases: Releases, name: str, key: str | None, default: str) -> str:
    """The value of a flag for a key, else for the run's user, tenant, or the run. Raises `InvalidInput`."""
    subject = flag_subject(name)
    context, step = current_run.get(), current_step.get()
    if context is None:
        await releases.fresh()
        drawn = releases.assign(subject, key or releases.new_key())
        releases.noticed(drawn)
        return default if drawn is None else drawn.name
    run = context.run
    key = key or run.user_id or run.tenant or run.id
    if step is not None:
        return await _drawn(releases, subject, key, default, step)
    in_order = asyncio.current_task() is context.main_task
    known = context.flags.get((name, key))
    if known is not None and in_order:
        return known

    async def work(inside: StepContext) -> Json:
        return await _drawn(releases, subject, key, default, inside)

    value = await execute(context, Spec(f"flag {name}", StepKind.STEP), {"flag": name, "key": key}, work)
    if not isinstance(value, str):
        raise Bug(f"The checkpoint of flag {name!r} is not a value.")
    if in_order:
        context.flags[name, key] = value
    return value


async def _drawn(releases: Releases, subject: str, key: str, default: str, step: StepContext) -> str:
    await releases.fresh()
    drawn: Assigned | None = releases.assign(subject, key)
    if drawn is None:
        return default
    if drawn.exposure is not None:
        run, now_ms = step.run.run, step.run.parts.clock.now_ms()
        step.effects.append(partial(exposure.add, exposures=(drawn.exposure,), now_ms=now_ms, run_id=run.id))
    return drawn.name
