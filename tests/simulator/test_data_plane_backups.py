"""When a backup is taken, when it counts, when it is lost and when it is deleted: without PostgreSQL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog.testing

from responder.simulator.data import backups, processes

HOUR = timedelta(hours=1)


def backup(name: str, *, age: timedelta) -> backups.Backup:
    return backups.Backup(completed_at=datetime.now(UTC) - age, directory=Path(name))


class Copier:
    """Stands in for `pg_basebackup`: makes the directory, when it is let, and says so."""

    def __init__(self, *, permits: int = 1000) -> None:
        self.permits = asyncio.Semaphore(permits)
        self.asked: asyncio.Queue[Path] = asyncio.Queue()
        self.error: Exception | None = None

    async def __call__(self, target: Path) -> None:
        self.asked.put_nowait(target)
        await self.permits.acquire()
        if self.error:
            raise self.error
        target.mkdir(parents=True)  # noqa: ASYNC240 - a moment


@contextlib.asynccontextmanager
async def running(routine: backups.Routine) -> AsyncIterator[None]:
    task = asyncio.create_task(routine.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def next_of(copier: Copier) -> Path:
    async with asyncio.timeout(5):
        return await copier.asked.get()


def test_a_backup_counts_only_after_it_has_been_replicated() -> None:
    vault = backups.Vault(replication=HOUR)
    vault.add(backup("fresh", age=timedelta(0)))
    assert vault.newest() is None


def test_the_newest_replicated_backup_is_used_while_a_newer_one_is_on_its_way() -> None:
    vault = backups.Vault(replication=HOUR)
    for each in (backup("old", age=4 * HOUR), backup("arrived", age=2 * HOUR), backup("fresh", age=timedelta(0))):
        vault.add(each)
    newest = vault.newest()
    assert newest is not None
    assert newest.directory == Path("arrived")


def test_an_outage_loses_the_backup_that_has_not_arrived_and_keeps_the_one_that_has() -> None:
    vault = backups.Vault(replication=HOUR)
    vault.add(backup("arrived", age=2 * HOUR))
    vault.add(backup("fresh", age=timedelta(0)))
    vault.lose_unreplicated()
    assert [each.directory for each in vault.keep_only_needed()] == [Path("arrived")]


def test_the_two_newest_replicated_backups_are_kept_and_those_on_their_way() -> None:
    vault = backups.Vault(replication=HOUR)
    for age in (5, 4, 3, 0):
        vault.add(backup(str(age), age=age * HOUR))
    assert [each.directory for each in vault.keep_only_needed()] == [Path("4"), Path("3"), Path("0")]


async def test_the_first_backup_is_taken_at_once_and_the_next_after_the_interval(tmp_path: Path) -> None:
    copier, vault = Copier(), backups.Vault(replication=timedelta(0))
    routine = backups.Routine(tmp_path, vault, interval=timedelta(milliseconds=10), copy=copier)
    routine.region_up()
    async with running(routine):
        assert await next_of(copier) != await next_of(copier)
    assert vault.newest() is not None


async def test_files_of_backups_that_are_not_needed_any_more_are_deleted(tmp_path: Path) -> None:
    copier, vault = Copier(permits=5), backups.Vault(replication=timedelta(0))
    routine = backups.Routine(tmp_path, vault, interval=timedelta(milliseconds=10), copy=copier)
    routine.region_up()
    async with running(routine):
        taken = [await next_of(copier) for _ in range(6)]  # the sixth is asked for once the fifth is tidied up after
    assert {each for each in taken if each.exists()} == set(taken[3:5])


async def test_no_backup_is_taken_while_the_region_is_down(tmp_path: Path) -> None:
    copier, vault = Copier(), backups.Vault(replication=timedelta(0))
    routine = backups.Routine(tmp_path, vault, interval=timedelta(0), copy=copier)
    async with running(routine):
        for _ in range(20):
            await asyncio.sleep(0)
        assert copier.asked.empty()
        routine.region_up()
        await next_of(copier)


async def test_a_backup_that_the_outage_interrupts_never_counts(tmp_path: Path) -> None:
    copier, vault = Copier(permits=0), backups.Vault(replication=timedelta(0))
    routine = backups.Routine(tmp_path, vault, interval=timedelta(0), copy=copier)
    routine.region_up()
    async with running(routine):
        interrupted = await next_of(copier)
        routine.region_down()
        routine.region_up()
        copier.permits.release()
        await next_of(copier)
        newest = vault.newest()
    assert newest is None
    assert not interrupted.exists()


async def test_a_failed_backup_does_not_end_the_routine(tmp_path: Path) -> None:
    copier, vault = Copier(), backups.Vault(replication=timedelta(0))
    routine = backups.Routine(tmp_path, vault, interval=timedelta(0), copy=copier)
    routine.region_up()
    copier.error = processes.ProcessFailed("pg_basebackup ended with status 1: no space left")
    with structlog.testing.capture_logs() as logs:
        async with running(routine):
            await next_of(copier)
            await next_of(copier)
    assert logs[0]["event"] == "backup.failed"
    assert "no space left" in logs[0]["error"]
