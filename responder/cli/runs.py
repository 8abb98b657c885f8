"""`responder runs`: look at runs, and leave a word for one."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from typing import Any
from urllib import parse

import click

from responder.cli import carry, reach, run_told, show


@click.group(
    epilog="""\b
Examples:
  responder runs list                                      what is under way, and what each waits for
  responder runs watch RUN                                 look on until it ends
  responder runs approve RUN --accept-loss 40m --reason "agreed with the owner"
  responder runs hold RUN --for 2h --reason "the region may come back"
  responder runs pause RUN --reason "let me look"
  responder runs retry RUN --reason "the quota was raised"
"""
)
def runs() -> None:
    """Runs: look at them, and say a word to one. Works with the daemon up or down."""


runs.add_command(carry.carry_on)


@runs.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
@reach.with_config
@reach.with_json
def list_(everything: bool, config: Path, as_json: bool) -> None:
    """Runs, newest first."""
    from responder import settings
    from responder.flow import views

    loaded = settings.load(config)

    async def read() -> list[views.Json]:
        async with reach.reading(loaded) as store:
            return [views.of_run(run) for run in await store.runs.list(limit=500, active_only=not everything)]

    found = reach.run(read())
    if as_json:
        show.as_json({"runs": found})
        return
    show.rows(
        "Runs",
        ("id", "state", "step", "waits for", "until", "by"),
        [
            (row["id"], row["state"], row["step"], row["waiting_for"], show.ago(row["wake_at"]), row["created_by"])
            for row in found
        ],
        empty="No run." if everything else "No run is under way (--all shows those that have ended).",
    )


@runs.command("show")
@click.argument("run_id")
@reach.with_config
@reach.with_json
def show_(run_id: str, config: Path, as_json: bool) -> None:
    """One run, step by step."""
    from responder import settings

    found = reach.run(reach.run_shown(settings.load(config), run_id))
    if as_json:
        show.as_json(found)
    else:
        run_told.print_all(found)


@runs.command("watch")
@click.argument("run_id")
@reach.with_config
@reach.with_json
def watch(run_id: str, config: Path, as_json: bool) -> None:
    """Look on until a run ends: a line for each change, or one JSON value each with --json. Ctrl-C ends the looking.

    Exit 0 when it is done, 1 when it failed or was cancelled.
    """
    from responder import settings

    loaded, before = settings.load(config), ""
    while True:
        found = reach.run(reach.run_shown(loaded, run_id))
        now = _line(found)
        if now != before:
            click.echo(json.dumps(found) if as_json else now)
        before = now
        if found["state"] in ("done", "failed", "cancelled"):
            raise SystemExit(found["state"] != "done")
        time.sleep(_EVERY)


_EVERY = 1.0
"""Seconds between looks of `watch`."""


def _line(found: dict[str, Any]) -> str:
    """Where a run is, in one line that changes only when something has happened."""
    step = f" at {found['step']}" if found["step"] else ""
    waits = f", waits for {found['waiting_for']}" if found["waiting_for"] else ""
    tries = next((row["attempts"] for row in found["steps"] if row["id"] == found["step"]), 0)
    again = f" (try {tries})" if tries > 1 else ""
    why = f": {found['why']}" if found["why"] else ""
    brakes = "".join(f"\n  {sentence}" for sentence in found["brakes"])
    return f"{found['id']}  {found['state']}{step}{again}{waits}{why}{brakes}"


def _word(topic: str, about: str) -> click.Command:
    @click.argument("run_id")
    @click.option("--reason", default="", help="Why; kept in the journal.")
    @reach.with_config
    @reach.with_json
    def word(run_id: str, config: Path, as_json: bool, **said: str | None) -> None:
        found = _say(config, run_id, topic, {name: value for name, value in said.items() if value})
        if as_json:
            show.as_json(found)
            return
        noted = f"{topic} is noted" if found["effect"] != "already" else f"nothing to do for {topic}"
        click.echo(" ".join(filter(None, (f"{found['id']}: {noted}.", found["answer"], found.get("note")))))

    if topic == "approve":
        about_loss = "Sign for up to this much lost data, like 40m."
        word = click.option("--accept-loss", default=None, help=about_loss)(word)
    if topic in ("pause", "hold"):
        about_end = "How long, like 2h; then it is over by itself. Default: until somebody says so."
        word = click.option("--for", "lasts", default=None, help=about_end)(word)
    if topic in ("skip", "retry", "go-now"):
        word = click.option("--step", default=None, help="Which step. Default: the one the run is at.")(word)
    word.__doc__ = about
    return runs.command(topic)(word)


def _say(config: Path, run_id: str, topic: str, said: dict[str, Any]) -> dict[str, Any]:
    from responder import clock, settings
    from responder.core import durations
    from responder.core import runs as core_runs
    from responder.flow import requests, views
    from responder.store import stores

    loaded = settings.load(config)
    loss, lasts = said.get("accept_loss"), said.pop("lasts", None)
    said |= {"for": lasts} if lasts else {}
    word = requests.Word(
        topic=core_runs.Topic(topic),
        by=reach.who(),
        reason=said.get("reason", ""),
        accept_loss=durations.parse(loss, place="--accept-loss") if loss else None,
        step=said.get("step", ""),
        lasts=durations.parse(lasts, place="--for") if lasts else None,
        key=secrets.token_hex(8),
    )

    async def alone() -> views.Json:
        store = await stores.open_store(loaded.store)
        try:
            note = f"Nobody carries it out now: `responder runs carry-on {run_id}`, or start the daemon."
            noted = await requests.say(store, run_id, word, clock.now(), loaded.approvals_policy())
            if await store.register.daemons():
                note = ""
            return {**views.of_noted(noted), "note": note}
        finally:
            await store.close()

    async def together() -> views.Json:
        body = {**said, "topic": topic, "by": word.by, "key": word.key}
        return await reach.ask_daemon(loaded, f"/api/v1/runs/{parse.quote(run_id, safe='')}/signals", body)

    return reach.run(reach.either(loaded, alone, together))


@runs.command("resume-wave")
@click.argument("outage_id")
@click.option("--reason", default="", help="Why; kept and told.")
@reach.with_config
@reach.with_json
def resume_wave(outage_id: str, reason: str, config: Path, as_json: bool) -> None:
    """Let the restores of an outage go on that were halted because too many failed. Its error budget begins anew."""
    from responder.cli import freeze

    found = freeze.resume_wave(config, outage_id, reason)
    if as_json:
        show.as_json(found)
    else:
        click.echo("The wave goes on." if found["lifted"] else "That wave is not halted.")


_word("cancel", "End a run before its next effect. What was begun is named and left as it is.")
_word("approve", "Say yes to the cut-over of a run, and with --accept-loss sign for more loss than was declared.")
_word("decline", "Say no to the cut-over of a run. The copy is kept until the region is back.")
_word("pause", "Begin nothing new. What is under way in Azure is still watched and named.")
_word("resume", "Let a paused run go on.")
_word("retry", "Try a failed step again; a failed run goes on, and so does one in quarantine.")
_word("skip", "Pass a step over, in your name. Passing over a cut-over ends the run without one.")
_word("go-now", "End a hold or a back-off now. The guard before a cut-over still stands.")
_word(
    "hold",
    "Do not cut over until somebody says approve, go-now or release, or --for is over.\n\n"
    "Holding loses no data, so without --for it never ends by itself: then silence would be a yes. What else a "
    "cut-over takes (consent, a failing probe, the loss) is asked for after it, too.",
)
_word("release", "End a hold, and say nothing else: clock, consent and guard count again.")
