"""`take_back`: notes that applications run on the server again, after they had been sent to another.

From then on decisions count it as the live server, and the other one as the old. Writes nothing but that, in the
journal; nothing is changed in Azure or DNS. Refused while the server's DNS record leads elsewhere.
"""

from __future__ import annotations

from responder.core import errors, plans, playbooks, runs
from responder.steps import doors

EFFECT = "idempotent"
TELLS = True  # nothing is begun in the world: no freeze holds it, no cooldown follows it
ABOUT = "Notes that applications run on the server again, after they had been sent to another."
OUTPUTS = (
    playbooks.Output(
        name="verdict",
        words=("taken-back", "nothing-to-take-back"),
        about="taken-back, or nothing-to-take-back when applications were never sent away",
    ),
    playbooks.Output(name="copy", about="the ARM id of the server that had taken its place"),
    playbooks.Output(name="name", about="its name"),
)


def foresee(ctx: doors.Context) -> list[plans.Touch]:
    """Only what is known of it here."""
    return [plans.Touch(verb="notes", what=f"{ctx.situation.server.name} is the live server again")]


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Look where applications are sent, then say what is so."""
    superseded = await ctx.doors.records.superseded(ctx.situation.server.id)
    if superseded is None:
        return runs.Done(output={"verdict": "nothing-to-take-back"})
    elsewhere = await _leads_to(ctx)
    if elsewhere:
        return runs.Fail(why=f"{elsewhere}. Point it at the server first, then say this again")
    return runs.Done(output={"verdict": "taken-back", "copy": superseded.by, "name": superseded.by_name})


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """Nothing is done but to say so: it can be said again."""
    return runs.NotStarted()


async def _leads_to(ctx: doors.Context) -> str:
    """Where the record leads, if that is not this server; empty: here, or nobody can tell."""
    try:
        followed = ctx.dns_record()
    except errors.InputError:
        return ""
    if followed is None:
        return ""
    zone, name = followed
    target = await ctx.doors.dns.read_cname(zone, name)
    here = ctx.situation.server.fqdn.rstrip(".").lower()
    return "" if target in (None, here) else f"{name}.{zone.name} leads to {target}, and not to {here}"
