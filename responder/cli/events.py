"""`responder events`."""

from __future__ import annotations

from pathlib import Path

import click

from responder.cli import reach, show


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
