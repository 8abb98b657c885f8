"""`compare_rows`: do the server and the new one hold as many rows? Table by table, in the database of the settings.

While applications go on writing they cannot: the one that is dumped is ahead. Output `verdict`: `equal`, `differs`, or
`unknown` when one of them could not be asked.
"""

from __future__ import annotations

from responder.core import playbooks, runs
from responder.steps import doors

EFFECT = "read"
ABOUT = "Counts the rows of the server and of the new one, table by table."
OUTPUTS = (
    playbooks.Output(name="verdict", words=("equal", "differs", "unknown"), about="equal, differs, or unknown"),
    playbooks.Output(name="told", about="the same as a sentence"),
    playbooks.Output(name="tables", type=playbooks.Type.NUMBER, about="how many were counted in both"),
    playbooks.Output(name="differing", type=playbooks.Type.MAP, about="tables with another count: there, and here"),
)


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Count in both."""
    there = await ctx.doors.databases.count(ctx.situation.server.fqdn, None)
    here = await ctx.doors.databases.count(str(ctx.copy().get("fqdn")), None)
    if there.why or here.why:
        told = f"The rows could not be compared: {there.why or here.why}"
        return runs.Done(output={"verdict": "unknown", "told": told, "tables": 0, "differing": {}})
    left_out = {*there.uncounted, *here.uncounted}
    tables = {*there.rows, *here.rows} - left_out
    differing = {
        table: [there.rows.get(table), here.rows.get(table)]
        for table in sorted(tables)
        if there.rows.get(table) != here.rows.get(table)
    }
    said = ", ".join(f"{table} has {was} rows there and {is_} here" for table, (was, is_) in differing.items())
    told = f"Of {len(tables)} tables, " + (
        f"{len(differing)} differ: {said}." if differing else "all hold as many rows."
    )
    if left_out:
        told += f" Not counted in time: {', '.join(sorted(left_out))}."
    output = {"verdict": "differs" if differing else "equal", "told": told}
    return runs.Done(output={**output, "tables": len(tables), "differing": differing})
