"""The doorbell, and what is known of processes."""

import asyncio
import os
import subprocess
import sys

from roadworthy.workflows import Doorbell, host


async def test_a_ring_wakes_those_who_listen_to_its_name():
    """And nobody else."""
    doorbell = Doorbell()
    with doorbell.listening(["a", "b"]) as heard, doorbell.listening(["c"]) as silent:
        doorbell.ring("b")
        assert await heard(5) is True
        assert await silent(0.01) is False


async def test_a_ring_between_listening_and_waiting_is_not_lost():
    """Whoever looks after beginning to listen misses nothing."""
    doorbell = Doorbell()
    with doorbell.listening(["a"]) as ring:
        doorbell.ring("a")
        assert await ring(0) is True


async def test_nobody_listens_any_more_afterwards():
    """Also when the one who waited was cancelled: nothing is left behind."""
    doorbell = Doorbell()

    async def listen() -> None:
        with doorbell.listening(["a"]) as ring:
            await ring(60)

    task = asyncio.ensure_future(listen())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert doorbell._listening == {}
    doorbell.ring("a")


def test_this_process_lives_and_a_past_one_does_not():
    """A number alone is not enough: a later process may have it."""
    here = host.host_name()
    assert not host.is_dead(here, host.process_name())
    number, _, started = host.process_name().partition(":")
    assert int(number) == os.getpid()
    if started:
        assert host.is_dead(here, f"{number}:1")
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert host.is_dead(here, f"{child.pid}:1")


def test_nothing_is_said_about_processes_elsewhere_or_without_a_number():
    """Not known to be dead is all that can be said."""
    assert not host.is_dead("another machine", "4194305:1")
    assert not host.is_dead(host.host_name(), "what")
    assert host.host_name() == host.host_name()


def test_a_process_that_has_ended_but_is_not_collected_is_dead():
    """A zombie runs nothing."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert child.stdin is not None
    alive = f"{child.pid}:{host._started(child.pid)}"
    assert not host.is_dead(host.host_name(), alive)
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    if alive.partition(":")[2]:
        assert host.is_dead(host.host_name(), alive)
    child.wait()
