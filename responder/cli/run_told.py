"""One run in a terminal: where it is, what it waits for, what came of each step, and what can be said to it now."""

from __future__ import annotations

from typing import Any

import click

from responder.cli import show


def print_all(found: dict[str, Any]) -> None:
    """A run for people."""
    click.echo(f"{found['id']}  {found['state']}" + (f": {found['why']}" if found["why"] else ""))
    if found["waiting_for"]:
        again = f", looks again {show.ago(found['wake_at'])}" if found["wake_at"] else ""
        click.echo(f"waits for {found['waiting_for']}{again}")
    if found.get("approval") and found["state"] in ("ready", "waiting"):
        click.echo(f"asked for a yes: {found['approval']['sentence']}")
    for sentence in found.get("brakes", ()):
        click.echo(sentence)
    show.rows(
        "",
        ("step", "state", "tries", "what it does, or what came of it"),
        [(row["id"], row["state"], row["attempts"] or "", _came(row) or row["about"]) for row in found["steps"]],
        empty="",
    )
    for hint in _hints(found):
        click.echo(hint)


def _hints(found: dict[str, Any]) -> list[str]:
    """What can be said to it now."""
    id_ = found["id"]
    if found["state"] == "failed":
        return [f"Try the failed step again: responder runs retry {id_}. Pass it over: responder runs skip {id_}"]
    if found["state"] in ("done", "cancelled"):
        return []
    words = {
        "approval": f"Yes: responder runs approve {id_} [--accept-loss 40m]. No: responder runs decline {id_}",
        "pause": f"Let it go on: responder runs resume {id_}",
        "hold": f"End the hold: responder runs release {id_}",
        "quarantine": f"Try again: responder runs retry {id_}",
        "retry": f"Try again now: responder runs retry {id_}. Pass the step over: responder runs skip {id_}",
    }
    said = words.get(found["waiting_for"] or "")
    return [*([said] if said else []), f"End it before its next effect: responder runs cancel {id_}"]


_FIGURES = frozenset({"fqdn", "use", "kind", "size_class", "requested_at", "accepted_at", "first_query_at", "at"})
"""Outputs for programs; `--json` has them."""
_LONGEST = 300


def _came(row: dict[str, Any]) -> str:
    """What came of a step, as far as people want to know it."""
    if row["why"]:
        return str(row["why"])
    if row["state"] not in ("done", "failed", "skipped"):
        return ""
    told = [_told(name, value) for name, value in row["output"].items() if value not in (None, "", [])]
    text = ", ".join(filter(None, told))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _told(name: str, value: Any) -> str:
    if name in _FIGURES:
        return ""
    if name == "verdict":
        return str(value)
    if name.endswith("_s") and isinstance(value, int | float):
        return f"{name.removesuffix('_s').replace('_', ' ')}: {show.span(value)}"
    return f"{name.replace('_', ' ')}: {show.brief(value)}"
