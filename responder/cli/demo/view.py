"""The live view: the outage, and each server with its decision, reason, clock and step. Shows; never acts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from rich import box, console, panel, progress_bar, table, text

from responder.core import durations, regions

_COLOURS = {
    "observe": "dim",
    "wait": "yellow",
    "start-restore": "bright_cyan",
    "restoring": "cyan",
    "hold": "blue",
    "ask": "bright_magenta",
    "cut-over": "bright_red",
    "settle": "bright_green",
    "stand-down": "green",
    "done": "bold green",
}


def render(incident: dict[str, Any] | None, estate: dict[str, Any], now: datetime, news: list[str]) -> Any:
    """One frame."""
    grid = table.Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    for name, ratio in (("server", 2), ("decision", 2), ("RTO used", 3), ("cut over", 2), ("step", 2), ("why", 9)):
        grid.add_column(name, ratio=ratio, no_wrap=name != "why", overflow="ellipsis")
    shown = {row["name"]: row for row in incident["servers"]} if incident else {}
    for server in estate["servers"]:
        if server["copy_of"]:
            continue
        grid.add_row(*_line(server, shown.get(server["name"]), incident, now))
    body = console.Group(_headline(incident, now), grid, *(text.Text(line, style="dim") for line in news[-4:]))
    return panel.Panel(body, title="responder demo", border_style="blue", padding=(0, 1))


def _headline(incident: dict[str, Any] | None, now: datetime) -> text.Text:
    if incident is None:
        return text.Text("All quiet. Five-second noise (a test, planned maintenance, another service) starts nothing.")
    lasted = (moment(incident["resolved_at"]) or now) - (moment(incident["impact_start"]) or now)
    style = "bold red" if incident["status"] == "active" else "bold green"
    line = text.Text(f"{incident['title']}\n", style=style)
    line.append(
        f"{regions.display(incident['region'])}: {incident['status']}, {durations.show(lasted)} since impact start",
        style="none",
    )
    return line


def _line(
    server: dict[str, Any], row: dict[str, Any] | None, incident: dict[str, Any] | None, now: datetime
) -> tuple[Any, ...]:
    probe = server["probe"]
    if row is None or incident is None:
        answers = "answers" if probe and probe["answered"] else ("silent" if probe else "")
        return server["name"], text.Text(answers, style="dim"), "", "", "", text.Text("not affected", style="dim")
    decision = row["decision"]
    run = row["runs"][0] if row["runs"] else None
    return (
        server["name"],
        text.Text(decision["action"], style=_COLOURS.get(decision["action"], "none")),
        _rto(server, incident, decision, now),
        _countdown(moment(decision["cut_over_at"]), decision["action"], now),
        text.Text(_step(run)),
        decision["reasons"][0]["text"],
    )


def _rto(server: dict[str, Any], incident: dict[str, Any], decision: dict[str, Any], now: datetime) -> Any:
    rto = server["tolerance"]["rto_s"]
    began = moment(incident["impact_start"])
    if not rto or began is None:
        return text.Text("undeclared", style="dim")
    ended = now
    if decision["action"] == "done":
        ended = moment(decision["at"]) or now
    elif server["probe"] and server["probe"]["answered"]:
        return text.Text("answers again", style="green")
    used = min((ended - began).total_seconds(), rto)
    return progress_bar.ProgressBar(
        total=rto, completed=used, width=18, complete_style="red" if used >= rto else "cyan"
    )


def _countdown(at: datetime | None, action: str, now: datetime) -> text.Text:
    if at is None or action in ("done", "settle", "stand-down", "observe"):
        return text.Text("")
    return text.Text(f"in {durations.show(at - now)}" if at > now else "due", style="bold")


def _step(run: dict[str, Any] | None) -> str:
    if run is None:
        return ""
    return str(run["step"]) if run["step"] else str(run["state"])


def moment(value: str | None) -> datetime | None:
    """A stored time."""
    return datetime.fromisoformat(value) if value else None


class Lines:
    """For pipes and logs: one line a change."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def changes(self, incident: dict[str, Any] | None, started: datetime, now: datetime) -> list[str]:
        """What is new since the last call."""
        found = []
        for row in incident["servers"] if incident else ():
            step = _step(row["runs"][0] if row["runs"] else None)
            state = f"{row['decision']['action']:<13} {step:<15} {row['decision']['reasons'][0]['text']}"
            key = f"{row['decision']['action']}/{step}"
            if self._known.get(row["name"]) != key:
                self._known[row["name"]] = key
                found.append(f"{_clock(now - started)}  {row['name']:<10} {state}")
        return found


def _clock(passed: timedelta) -> str:
    return f"{passed.total_seconds():5.1f}s"
