"""What a daemon does first: it acts on what is due, and loads only then what that does not need."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog import testing

from responder import service, settings
from responder.core import errors, playbooks, regions, runs, servers
from responder.store import sqlite

_LATER = (
    "aiohttp", "azure.core", "prometheus_client",
    "responder.core.payloads", "responder.flow.assess", "responder.flow.shelf", "responder.playbook_files",
    "responder.service.head", "responder.service.parts", "responder.web",
)  # fmt: skip
"""What takes long to load, and what a step that tells somebody something can do without."""

_DAEMON = """
import datetime, json, os, sys
from responder.core import runs
from responder.service import life

def begun(*arguments, begin=runs.begin):
    print(json.dumps(sorted(sys.modules)), flush=True)
    {then}
    return begin(*arguments)

runs.begin = begun
life._HEAD_START = datetime.timedelta(minutes=3)
from responder import cli
cli.main()
"""
"""A daemon that says what is loaded when its first step begins, and does something at that moment.

Act's head start is longer than usual: on a busy machine half a second may not be enough for anything.
"""


_TOLD_TO_STOP = f"os.kill(os.getpid(), {signal.SIGTERM:d})"


async def test_a_due_run_is_acted_on_before_anything_is_loaded_that_it_does_not_need(tmp_path: Path):
    code, out, err = await _lived(tmp_path, "", _TOLD_TO_STOP)
    assert code == 0, err
    loaded = set(json.loads(out.splitlines()[0]))
    assert "responder.flow.act" in loaded
    assert [name for name in _LATER if name in loaded] == []
    told = [json.loads(line)["event"] for line in err.splitlines()]
    assert told.index("run.ended") < told.index("service.started") < told.index("service.stopped")


async def test_what_keeps_the_rest_from_starting_loses_nothing_of_what_was_begun(tmp_path: Path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "geo-restore.yaml").write_text("title: Wrong\n")  # nothing goes without it
    code, _, err = await _lived(tmp_path, f"playbooks: {tmp_path / 'books'}\n", "pass")
    assert (code, err.splitlines()[-1].partition("geo-restore.yaml")[0]) == (1, f"responder: {tmp_path / 'books'}/")
    assert "Traceback" not in err
    assert '"event": "run.ended"' in err


async def test_a_playbook_with_a_mistake_keeps_no_other_from_being_there(tmp_path: Path):
    (tmp_path / "drill.yaml").write_text("title: Wrong\n")
    kept = settings.Store(path=tmp_path / "store.db")
    async with service.assembled(settings.Settings(store=kept, playbooks=(tmp_path,))) as parts:
        assert (set(parts.shelf.library.unusable), "geo-restore" in parts.playbooks) == ({"drill"}, True)
        with testing.capture_logs() as logged:
            parts.shelf.tell_unusable()
        assert [(line["event"], "drill.yaml" in line["error"]) for line in logged] == [("playbook.unusable", True)]
        with pytest.raises(errors.InputError):
            await parts.shelf.reload("ana")  # who makes files count wants all of them


async def _lived(folder: Path, more: str, then: str) -> tuple[int | None, str, str]:
    """The life of a daemon that has one due run: how it ended, and what it said. The run is done then."""
    store = await sqlite.open_store(folder / "store.db")
    try:
        run = await _due(store)
    finally:
        await store.close()
    file = folder / "settings.yaml"
    file.write_text(f"store: {{path: {folder / 'store.db'}}}\nweb: {{port: 0}}\n{more}")
    daemon = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _DAEMON.format(then=then), "serve", "--config", str(file)),
        cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await daemon.communicate()
    store = await sqlite.open_store(folder / "store.db", exclusive=False)
    try:
        after = await store.runs.get(run.id)
    finally:
        await store.close()
    assert after is not None
    assert after.state is runs.State.DONE
    return daemon.returncode, out.decode(), err.decode()


async def _due(store: sqlite.Store) -> runs.Run:
    now = datetime.now(UTC)
    address = servers.Address(subscription_id="s", resource_group="g", family=servers.Family.FLEXIBLE, name="shop")
    server = servers.Server(
        id=servers.id_of(address), name="shop", family=servers.Family.FLEXIBLE, subscription_id="s",
        resource_group="g", region=regions.RegionName("eastus2"), tier="GeneralPurpose",
    )  # fmt: skip
    step = playbooks.Step(id="tell", kind="notify", settings={"subject": "It goes on.", "text": "It was due."})
    book = playbooks.Playbook(name="tell", title="Tell", purpose="To be begun soon", steps=(step,))
    run = runs.new(
        id_=runs.run_id("tell", server, "start"), server=server, outage_id=None, playbook=book, params={},
        by="somebody", now=now - timedelta(minutes=1),
    )  # fmt: skip
    await store.estate.put_servers([server])
    await store.runs.submit(run)
    return run
