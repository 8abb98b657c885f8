"""Nothing is left behind: no process and no file, whether the simulator closes the plane or is killed."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from responder.simulator.data import plane, processes, sites

PROJECT = Path(__file__).parents[2]
MOMENTS = {"backup_interval": timedelta(seconds=1), "backup_replication": timedelta(0)}

SIMULATOR = """
import asyncio, os, pathlib
from datetime import timedelta
from responder.simulator.data import plane

async def main():
    data = plane.Plane(pathlib.Path(os.environ["ROOT"]), login="a", password="b",
                       backup_interval=timedelta(seconds=1), backup_replication=timedelta(0))
    await asyncio.gather(*(data.create(name, "eastus2", real=True, rows_per_second=50) for name in ("one", "two")))
    print("serving", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def root() -> Iterator[Path]:
    """A directory that any user may reach, unlike pytest's own."""
    path = sites.scratch()
    yield path
    assert not path.exists()


def names(
    processes: Iterable[psutil.Process], condition: Callable[[psutil.Process], bool] = lambda _: True
) -> set[str]:
    """The names of those processes that are alive, may be looked at, and fulfil the condition."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if condition(process):
                found.add(process.name())
    return found


def inhabitants(root: Path) -> set[str]:
    """The processes that were told of `root` or work in it, by name."""
    return names(psutil.process_iter(), lambda process: str(root) in " ".join([process.cwd(), *process.cmdline()]))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120  # patience, reached only when something is broken
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


async def test_close_leaves_no_process_and_no_file(root: Path) -> None:
    data = plane.Plane(root, login="a", password="b", **MOMENTS)
    await data.create("one", "eastus2", real=True, rows_per_second=50)
    assert {"postgres"} <= inhabitants(root)
    await data.close()
    assert inhabitants(root) == set()
    assert not root.exists()  # noqa: ASYNC240 - a moment
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await data.close()


async def test_close_while_a_server_starts_fails_the_start_and_leaves_nothing(root: Path) -> None:
    data = plane.Plane(root, login="a", password="b", **MOMENTS)
    start = asyncio.create_task(data.create("one", "eastus2", real=True))
    await asyncio.to_thread(until, lambda: "initdb" in inhabitants(root))
    await data.close()
    with pytest.raises(processes.ProcessFailed):
        await start
    assert inhabitants(root) == set()


async def test_a_cancelled_start_leaves_the_name_free_and_the_plane_working(root: Path) -> None:
    async with plane.Plane(root, login="a", password="b", **MOMENTS) as data:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(data.create("one", "eastus2", real=True), 0.2)
        assert await data.create("one", "eastus2", real=True)


@pytest.mark.parametrize("moment", ["postgres", "initdb", "pg_basebackup"])
def test_a_simulator_killed_outright_takes_its_servers_and_files_along(root: Path, moment: str) -> None:
    """Whatever was running when it was killed: servers, the making of the template, or a backup."""
    simulator = subprocess.Popen([sys.executable, "-c", SIMULATOR], cwd=PROJECT, env={**os.environ, "ROOT": str(root)})
    try:
        until(lambda: moment in names(psutil.Process(simulator.pid).children()))
    finally:
        simulator.send_signal(signal.SIGKILL)
        simulator.wait()
    until(lambda: not inhabitants(root) and not root.exists())


def test_a_simulator_that_ends_without_closing_leaves_nothing(root: Path) -> None:
    simulator = subprocess.Popen(
        [sys.executable, "-c", SIMULATOR],
        cwd=PROJECT,
        env={**os.environ, "ROOT": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert simulator.stdout is not None
    assert simulator.stdout.readline() == "serving\n"
    simulator.send_signal(signal.SIGINT)
    simulator.communicate()
    until(lambda: not inhabitants(root) and not root.exists())


async def test_a_root_that_is_deep_or_out_of_reach_is_served_from_elsewhere(tmp_path: Path) -> None:
    root = tmp_path / ("deep" * 20)
    data = plane.Plane(root, login="a", password="b", **MOMENTS)
    await data.create("one", "eastus2", real=True)
    home = (root / "home").readlink()
    assert inhabitants(home)
    await data.close()
    assert inhabitants(home) == set()
    assert not home.exists()
    assert not root.exists()


def test_a_directory_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(FileExistsError, match="a directory of its own"):
        plane.Plane(tmp_path, login="a", password="b", **MOMENTS)


def test_a_directory_in_a_missing_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make that first"):
        plane.Plane(tmp_path / "missing" / "data", login="a", password="b", **MOMENTS)
