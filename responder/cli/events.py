"""`responder events`: what Azure said. Looking never needs the daemon; reading again goes through it when it is up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from responder.cli import reach, show

if TYPE_CHECKING:
    from responder import settings
    from responder.store import stores


@click.group()
def events() -> None:
    """What Azure said, in our words."""


@events.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@reach.with_json
def parse(files: tuple[Path, ...], as_json: bool) -> None:
    """Read raw payloads of any channel; `-` is stdin. Exit 1 when something could not be read."""
    import sys

    from responder.core import errors, payloads

    found: list[dict[str, object]] = []
    unreadable: list[dict[str, object]] = []
    for file in files:
        try:
            body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        except OSError as error:
            raise errors.InputError(
                "events.no-file", f"Cannot be read: {error.strerror}.", remedy="Check the path.", place=str(file)
            ) from error
        parsed = payloads.parse(body)
        found.extend({**payloads.to_json(event), "file": str(file)} for event in parsed.events)
        unreadable.extend(
            {"reason": item.reason, "position": item.position, "file": str(file)} for item in parsed.unreadable
        )
    if as_json:
        show.as_json({"events": found, "unreadable": unreadable})
    else:
        _print(found, unreadable)
    if unreadable:
        raise SystemExit(1)


with_limit = click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most.")


@events.command("list")
@with_limit
@reach.with_config
@reach.with_json
def list_(limit: int, config: Path, as_json: bool) -> None:
    """Events that were heard, newest first."""
    from responder import settings
    from responder.flow import heard

    loaded = settings.load(config)

    found = reach.read(loaded, lambda store: heard.events(store, limit))
    if as_json:
        show.as_json(found)
        return
    show.rows(
        "Events",
        ("id", "received", "source", "kind", "status", "tracking id", "regions", "may start something", "title"),
        [
            (
                row["id"],
                show.ago(row["received_at"]),
                row["source"],
                row["kind"],
                row["status"],
                row["tracking_id"],
                ", ".join(row["regions"]),
                "yes" if row["actionable"] else "no",
                row["title"],
            )
            for row in found["events"]
        ],
        empty="No event has been heard.",
    )


@events.command()
@with_limit
@reach.with_config
@reach.with_json
def quarantine(limit: int, config: Path, as_json: bool) -> None:
    """What could not be read, kept as it came, newest first."""
    from responder import settings
    from responder.flow import heard

    loaded = settings.load(config)

    found = reach.read(loaded, lambda store: heard.quarantine(store, limit))
    if as_json:
        show.as_json(found)
        return
    show.rows(
        f"Quarantine ({found['intake']['quarantined']})",
        ("id", "received", "source", "at", "why", "begins with"),
        [
            (
                row["id"],
                show.ago(row["received_at"]),
                row["source"],
                row["position"],
                row["reason"],
                _printable(row["raw"][:80]),
            )
            for row in found["quarantine"]
        ],
        empty="Everything that came could be read.",
    )


@events.command("show")
@click.argument("id_", metavar="ID")
@click.option("--raw", is_flag=True, help="Only the whole arrival, byte by byte, as for `events parse -`.")
@reach.with_config
@reach.with_json
def show_(id_: str, raw: bool, config: Path, as_json: bool) -> None:
    """An event (e1) or a piece of the quarantine (q1), and the whole arrival it came in."""
    from responder import settings
    from responder.flow import heard

    loaded = settings.load(config)

    found, body = reach.read(loaded, lambda store: heard.one(store, id_))
    if raw:
        click.echo(body, nl=False)
    elif as_json:
        show.as_json(found)
    else:
        rest = {name: value for name, value in found.items() if name != "body"}
        show.rows("", ("field", "value"), [(name, _printable(str(value))) for name, value in rest.items()], empty="")
        click.echo(_printable(found["body"]))


@events.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="The whole quarantine.")
@reach.with_config
@reach.with_json
def reparse(ids: tuple[str, ...], everything: bool, config: Path, as_json: bool) -> None:
    """Read arrivals in the quarantine again, by the parser of now: after an update that knows their shape.

    What can be read leaves the quarantine and counts as heard; what was heard before counts once.
    """
    from responder import logs, settings

    if bool(ids) == everything:
        raise click.UsageError("Give the IDs that `events quarantine` shows, or --all.")
    loaded = settings.load(config)
    logs.configure(loaded.log_level)
    found = reach.run(reach.either(loaded, lambda: _alone(loaded, ids), lambda: _together(loaded, ids)))
    if as_json:
        show.as_json(found)
        return
    click.echo(
        f"{found['arrivals']} arrivals were read again: {found['quarantined_before']} pieces were in the quarantine, "
        f"{found['quarantined']} are."
        if found["pending"] == 0
        else f"{found['arrivals']} arrivals are to be read again, and the daemon has not come to the end of them yet."
    )


@events.command(hidden=True)
def transitions() -> None:
    """The table of what becomes of an outage when Azure speaks, as it stands in deploy/listening.md."""
    from responder.core import transitions as table

    click.echo(table.markdown(), nl=False)


async def _alone(loaded: settings.Settings, ids: tuple[str, ...]) -> dict[str, Any]:
    from responder.flow import reading
    from responder.store import stores

    store = await stores.open_store(loaded.store)
    try:
        answer = await reading.again(store, ids)
        if await store.register.daemons():
            return await _read_by_others(store) | answer
        await reading.Reading(store).turn()
        return await store.intake.counts() | answer
    finally:
        await store.close()


async def _read_by_others(store: stores.Store) -> dict[str, int]:
    """The counts, when the daemon has read what is pending, or after a while."""
    counts = await store.intake.counts()
    for _ in range(50):
        if not counts["pending"]:
            break
        await asyncio.sleep(0.1)
        counts = await store.intake.counts()
    return counts


async def _together(loaded: settings.Settings, ids: tuple[str, ...]) -> dict[str, Any]:
    """The daemon marks them and reads; we look on for a while."""
    body = {"ids": list(ids)} if ids else {"all": True}
    answer = await reach.ask_daemon(loaded, "/api/v1/events/reparse", body)
    async with reach.reading(loaded) as store:
        return await _read_by_others(store) | answer


def _printable(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def _print(found: list[dict[str, object]], unreadable: list[dict[str, object]]) -> None:
    show.rows(
        "Events",
        ("kind", "status", "tracking id", "regions", "PostgreSQL", "may start something", "title"),
        [
            (
                row["kind"],
                row["status"],
                row["tracking_id"],
                ", ".join(row["regions"]) if isinstance(row["regions"], list) else "",
                "yes" if row["concerns_postgresql"] else "no",
                "yes" if row["actionable"] else "no",
                row["title"],
            )
            for row in found
        ],
        empty="No event in there.",
    )
    for row in unreadable:
        click.echo(f"{row['file']}: at {row['position']}: {row['reason']}", err=True)
