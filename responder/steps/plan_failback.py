"""`plan_failback`: after a cut-over, when the region is back: what there is to do, as a report. Changes nothing.

The old server may have rows that the new one lacks: what it took after the recovery point of the copy. They are counted
by SQL when it answers. Output `verdict`: `planned`, or `nothing-to-do` when applications were never sent away.
"""

from __future__ import annotations

from collections.abc import Sequence

from responder.core import playbooks, runs, servers
from responder.steps import doors

EFFECT = "read"
ABOUT = "Writes down what there is to do after a cut-over, with the rows that only the old server has."
OUTPUTS = (
    playbooks.Output(name="verdict", words=("planned", "nothing-to-do"), about="planned or nothing-to-do"),
    playbooks.Output(name="primary", about="the ARM id of the server that applications run on"),
    playbooks.Output(name="only_there", type=playbooks.Type.NUMBER, about="rows that only the old server has"),
    playbooks.Output(name="tables", type=playbooks.Type.MAP, about="the same by table"),
    playbooks.Output(name="uncounted", type=playbooks.Type.LIST, about="tables that could not be counted"),
    playbooks.Output(name="report", about="what there is to do, line by line"),
)


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Look at both, and write the report."""
    server = ctx.situation.server
    used = await ctx.doors.records.in_use(server.id)
    if not used:
        report = f"Applications were never sent away from {server.name}, by the journal: there is nothing to do."
        return runs.Done(output={"verdict": "nothing-to-do", "report": report})
    newest = used[0]
    there = await _only_there(ctx, newest)
    found = {table: rows for table, rows in there.rows.items() if rows} if there is not None else {}
    return runs.Done(
        output={
            "verdict": "planned",
            "primary": newest.server_id,
            "only_there": sum(found.values()) if there is not None and not there.why else None,
            "tables": found,
            "uncounted": list(there.uncounted) if there is not None else [],
            "report": "\n".join(_report(server, newest, there, found)),
        }
    )


async def _only_there(ctx: doors.Context, used: doors.InUse) -> doors.Counts | None:
    """What the old server took after the recovery point; None: that point was never measured."""
    if used.recovery_point is None:
        return None
    return await ctx.doors.databases.count(ctx.situation.server.fqdn, used.recovery_point)


def _report(
    server: servers.Server, used: doors.InUse, there: doors.Counts | None, found: dict[str, int]
) -> Sequence[str]:
    new, since = used.server_id.rpartition("/")[2], f"{used.at:%Y-%m-%d %H:%M} UTC" if used.at else "a time not known"
    return [
        f"Applications were sent from {server.name} to {new}, at the latest by {since} (run {used.run_id}).",
        *_rows(server, used, there, found),
        f"Until that is settled, keep applications away from {server.name}: leave the DNS record where it is, and take"
        f" away its firewall rules or set default_transaction_read_only to on. Nothing of that was done by this run.",
        f"1. Export the rows that only {server.name} has, and let their owner decide what becomes of them.",
        f"2. Protect {new}: after a geo-restore or a promotion it has no geo-redundant backup. Either stay there, with"
        f" `responder run migrate-to-geo-redundant --server {new}` or a new read replica; or go back, as follows.",
        f"3. To go back: make a read replica of {new} in the old region, wait until it has caught up, stop writing,"
        " promote it as planned, and point the DNS record at it. Neither loses a row when nobody writes meanwhile.",
        f"4. When nobody needs it any more, delete {server.name} by hand: we delete nothing that we did not make.",
        f"5. Nothing is done for {server.name} in an outage now. When applications run on it again, say so:"
        f" `responder run failback-done --server {server.name}`.",
    ]


def _rows(
    server: servers.Server, used: doors.InUse, there: doors.Counts | None, found: dict[str, int]
) -> Sequence[str]:
    """What the old server has more, in sentences."""
    if there is None or used.recovery_point is None:
        return [f"How far {used.server_id.rpartition('/')[2]} goes was never measured: compare the two by hand."]
    point = f"{used.recovery_point:%Y-%m-%d %H:%M:%S} UTC"
    if there.why:
        return [f"{server.name} could not be asked for rows written after {point}: {there.why} Run this again later."]
    if not found:
        said = [
            f"{server.name} has no rows written after {point}, the newest row of the copy, as far as can be counted."
        ]
    else:
        tables = ", ".join(f"{rows} in {table}" for table, rows in sorted(found.items()))
        said = [f"{server.name} has rows written after {point}, which the copy lacks: {tables}."]
    if there.uncounted:
        said.append(f"Not counted, for want of a time of writing or of time: {', '.join(there.uncounted)}.")
    return said
