"""What a daemon does first: it acts on what is due, and loads only then what that does not need."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from responder.core import playbooks, regions, runs, servers
from responder.store import sqlite

_LATER = (
    "aiohttp", "azure.core", "prometheus_client",
    "responder.core.payloads", "responder.flow.assess", "responder.flow.shelf", "responder.playbook_files",
    "responder.service.head", "responder.service.parts", "responder.web",
)  # fmt: skip
"""What takes long to load, and what a step that tells somebody something can do without."""

_DAEMON = """
import json, os, signal, sys
from responder.core import runs

def begun(*arguments, begin=runs.begin):
    print(json.dumps(sorted(sys.modules)), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    return begin(*arguments)

runs.begin = begun
from responder import cli
cli.main()
"""
"""A daemon that says what is loaded when its first step begins, and is told to stop at that moment."""


async def test_a_due_run_is_acted_on_before_anything_is_loaded_that_it_does_not_need(tmp_path: Path):
    store = await sqlite.open_store(tmp_path / "store.db")
    try:
        run = await _due(store)
        file = tmp_path / "settings.yaml"
        file.write_text(f"store: {{path: {tmp_path / 'store.db'}}}\nweb: {{port: 0}}\n")
    finally:
        await store.close()

    daemon = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _DAEMON, "serve", "--config", str(file)),
        cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await daemon.communicate()

    assert daemon.returncode == 0, err.decode()
    loaded = set(json.loads(out.splitlines()[0]))
    assert "responder.flow.act" in loaded
    assert [name for name in _LATER if name in loaded] == []
    told = [json.loads(line)["event"] for line in err.splitlines()]
    assert told.index("run.ended") < told.index("service.started") < told.index("service.stopped")
    store = await sqlite.open_store(tmp_path / "store.db", exclusive=False)
    try:
        after = await store.runs.get(run.id)
    finally:
        await store.close()
    assert after is not None
    assert after.state is runs.State.DONE


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
