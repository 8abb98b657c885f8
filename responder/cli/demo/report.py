"""The end of the demo: what was promised, what happened, and whether the one is the other. Counts rows, by SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rich import box, console, table

from responder import settings
from responder.cli.demo import cloud, view
from responder.core import durations, outages
from responder.flow import views
from responder.store import sqlite

RESTORED = ("orders", "reports", "billing")
WAITED = ("dev", "wiki", "telemetry", "legacy")
UNTOUCHED = "shop-eu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Everything the report says."""

    incident: dict[str, Any]
    estate: dict[str, Any]
    checks: Sequence[tuple[str, bool]]
    """Sentence, and whether it is true."""
    loss: cloud.Loss | None
    letters: Sequence[Mapping[str, Any]]

    @property
    def ok(self) -> bool:
        """Everything ended as the scenario says."""
        return all(holds for _, holds in self.checks)


async def gather(
    store: sqlite.Store, sky: cloud.Cloud, config: settings.Settings, outage_id: outages.OutageId, *, in_time: bool
) -> Verdicts:
    """Read the journal, the ledger of the local Azure, and both databases.

    Not `in_time`: the RTO is no condition, because whoever keeps killing the daemon takes its seconds away.
    """
    outage = await store.outages.get(outage_id)
    incident = await views.incident(store, outage) if outage else {"servers": [], "impact_start": None}
    estate = await views.inventory(store, config.tolerance())
    state, ledger, inbox = await sky.ask("state"), await sky.ask("ledger"), await sky.ask("inbox")
    rows = {row["name"]: row for row in incident["servers"]}
    loss = await _loss(sky, rows, outage)
    return Verdicts(
        incident=incident,
        estate=estate,
        loss=loss,
        letters=_letters(inbox),
        checks=[
            *_restored(rows, loss),
            *(_in_time(rows) if in_time else ()),
            *_waited(rows),
            *_ledger(ledger, state, rows),
            (f"{UNTOUCHED}, in another region, was not touched", UNTOUCHED not in rows),
            ("the owner of the undeclared wiki was told", any("wiki" in str(letter) for letter in _letters(inbox))),
        ],
    )


async def _loss(sky: cloud.Cloud, rows: Mapping[str, Any], outage: outages.Outage | None) -> cloud.Loss | None:
    out = output(rows.get("orders"), "cut-over")
    if outage is None or not out.get("to"):
        return None
    return await cloud.count_loss(sky, "orders", str(out["to"]).partition(".")[0], outage.impact_start)


def _restored(rows: Mapping[str, Any], loss: cloud.Loss | None) -> list[tuple[str, bool]]:
    orders = rows.get("orders")
    out = output(orders, "cut-over")
    measured = out.get("data_loss_s")
    return [
        ("orders was cut over to its copy", out.get("verdict") == "cut-over"),
        ("the data loss of orders was measured, and is within its RPO", measured is not None and measured <= 20),
        ("the rows that orders lost were counted by SQL", loss is not None and 0 <= loss.rows < loss.of),
        ("reports was restored early, and its copy thrown away unneeded", _discarded(rows.get("reports"))),
        (
            "billing went through the other control plane; nobody said yes, nothing lost",
            _discarded(rows.get("billing")),
        ),
    ]


def _in_time(rows: Mapping[str, Any]) -> list[tuple[str, bool]]:
    orders = rows.get("orders")
    served = view.moment(output(orders, "cut-over").get("at"))
    due = view.moment(orders["decision"]["must_serve_by"]) if orders else None
    return [("orders was cut over within its RTO", bool(served and due and served <= due))]


def _discarded(row: dict[str, Any] | None) -> bool:
    return output(row, "discard").get("verdict") == "discarded" and not output(row, "cut-over")


def _waited(rows: Mapping[str, Any]) -> list[tuple[str, bool]]:
    reasons = {
        "dev": {"early"},
        "wiki": {"undeclared"},
        "telemetry": {"way.no-geo-backup"},
        "legacy": {"way.basic-tier"},
    }
    found = []
    for name in WAITED:
        row = rows.get(name)
        runs = row["runs"] if row else []
        waited = [run for run in runs if run["playbook"] == "wait-it-out" and run["state"] == "done"]
        only = bool(waited) and len(waited) == len(runs)
        why = ", ".join(sorted(reasons[name]))
        found.append((f"{name} waited ({why}) and came back with everything", only))
    return found


def _ledger(ledger: Any, state: Any, rows: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """What the local Azure saw the daemon do."""
    entries = ledger["entries"] if isinstance(ledger, dict) else ledger
    on_servers = [
        e for e in entries if "microsoft.dbforpostgresql" in e["path"].lower() and "/locations/" not in e["path"]
    ]
    creates = [e["resource_id"].lower() for e in on_servers if e["method"] == "PUT" and e["status"] == 202]
    source_reads = [e for e in on_servers if e["region"] == "eastus2"]
    copies = sorted(creates)
    return [
        ("three copies were made, each once", len(copies) == 3 and len(set(copies)) == 3),
        ("no request went to any server of the failed region", not source_reads),
    ]


def _letters(inbox: Any) -> list[Mapping[str, Any]]:
    letters = inbox["letters"] if isinstance(inbox, dict) else inbox
    return [letter.get("body", letter) for letter in letters]


def output(row: dict[str, Any] | None, step_id: str) -> dict[str, Any]:
    """The output of a step of the newest restore of a server; empty when there is none."""
    for run in row["runs"] if row else ():
        for step in run["steps"]:
            if step["id"] == step_id and step["state"] == "done":
                return dict(step["output"])
    return {}


def render(out: console.Console, verdicts: Verdicts, *, kills: int) -> None:
    """Print it."""
    out.rule("Report")
    began = view.moment(verdicts.incident["impact_start"])
    if began is not None:
        _timeline(out, verdicts, began)
        _objectives(out, verdicts, began)
    if verdicts.loss is not None:
        loss = verdicts.loss
        out.print(f"Rows lost by orders, counted by SQL on both servers: {loss.rows} of {loss.of}.")
    if kills:
        out.print(f"The daemon was killed with -9 {kills} times on the way.")
    out.print()
    for sentence, holds in verdicts.checks:
        out.print(("[green]  yes[/]  " if holds else "[bold red]  NO [/]  ") + sentence, highlight=False)


def _timeline(out: console.Console, verdicts: Verdicts, began: datetime) -> None:
    marks: list[tuple[datetime, str]] = [(began, "the region goes dark: impact start")]
    heard, resolved = view.moment(verdicts.incident["heard_at"]), view.moment(verdicts.incident["resolved_at"])
    marks += [(heard, "first word from Azure")] if heard else []
    marks += [(resolved, "the region is back, says Azure")] if resolved else []
    told = {"restore": "copy restored", "cut-over": "applications sent to the copy", "discard": "copy thrown away"}
    for row in verdicts.incident["servers"]:
        for run in row["runs"]:
            for step in run["steps"]:
                ended = view.moment(step["ended_at"])
                if step["id"] in told and step["state"] == "done" and ended:
                    marks.append((ended, f"{row['name']}: {told[step['id']]}"))
    out.print("[bold]Timeline[/] (since impact start)")
    for at, what in sorted(marks):
        out.print(f"  {(at - began).total_seconds():6.1f} s  {what}", highlight=False)
    out.print()


def _objectives(out: console.Console, verdicts: Verdicts, began: datetime) -> None:
    grid = table.Table(title="Objective and actual", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("server", "what was done", "RTO", "down for", "RPO", "data lost"):
        grid.add_column(name)
    rows = {row["name"]: row for row in verdicts.incident["servers"]}
    for server in verdicts.estate["servers"]:
        if server["copy_of"]:
            continue
        grid.add_row(*_objective(server, rows.get(server["name"]), verdicts.incident, began))
    out.print(grid)


def _objective(
    server: dict[str, Any], row: dict[str, Any] | None, incident: dict[str, Any], began: datetime
) -> tuple[str, ...]:
    tolerance = server["tolerance"]
    rto = durations.show(timedelta(seconds=tolerance["rto_s"])) if tolerance["rto_s"] else "undeclared"
    rpo = durations.show(timedelta(seconds=tolerance["rpo_s"])) if tolerance["rpo_s"] else "-"
    if row is None:
        return server["name"], "not affected", rto, "-", rpo, "-"
    cut = output(row, "cut-over")
    if cut:
        down = (view.moment(cut["at"]) or began) - began
        lost = f"{cut['data_loss_s']:.1f} s" if cut.get("data_loss_s") is not None else "not measured"
        return server["name"], "cut over", rto, durations.show(down), rpo, lost
    back = view.moment(incident["resolved_at"])
    what = "waited; copy thrown away" if _discarded(row) else "waited"
    return server["name"], what, rto, durations.show(back - began) if back else "?", rpo, "nothing"
