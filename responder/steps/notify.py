"""`notify`: tell the team, and the owner if the server names one. The words are the playbook's."""

from __future__ import annotations

import string
from collections.abc import Mapping
from datetime import timedelta

from responder.core import announcements, durations, plans, playbooks, regions, runs
from responder.steps import doors

EFFECT = "idempotent"
TELLS = True
"""It only tells people, in our own outbox: no freeze and no cap holds it."""
ABOUT = "Announces to the team, and to the owner if the server names one."
SETTINGS = (
    playbooks.Setting(name="kind", about="what receivers sort by; PLAYBOOK.STEP when left out"),
    playbooks.Setting(name="subject", about="one line; the step's `about` when left out"),
    playbooks.Setting(name="text", about="what there is to say"),
)
OUTPUTS = (
    playbooks.Output(name="subject", about="the line as it was told"),
    playbooks.Output(name="to", about="the owner that it was told to"),
)


def foresee(ctx: doors.Context) -> list[plans.Touch]:
    """Whom it would tell."""
    return [plans.Touch(verb="tells", what=ctx.situation.tolerance.owner or "the team", detail="by every channel")]


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Put one announcement into the outbox; its key is this step of this run, so it is told once."""
    settings, words = ctx.step.settings, vocabulary(ctx)
    announcement = announcements.Announcement(
        key=f"{ctx.run.id}/{ctx.step.id}",
        kind=str(settings.get("kind", f"{ctx.run.playbook.name}.{ctx.step.id}")),
        subject=_fill(str(settings.get("subject", ctx.step.about)), words),
        text=_fill(str(settings.get("text", "")), words),
        at=ctx.now,
        to=ctx.situation.tolerance.owner,
        facts={"server": ctx.situation.server.id, "run": ctx.run.id, "outage": ctx.run.outage_id or ""},
    )
    await ctx.doors.outbox.put([announcement])
    return runs.Done(output={"subject": announcement.subject, "to": announcement.to})


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """Putting it twice keeps one."""
    return runs.NotStarted()


def vocabulary(ctx: doors.Context) -> Mapping[str, str]:
    """The `$names` of texts from before there were expressions: runs that began then have them in their snapshot."""
    server, decision = ctx.situation.server, ctx.situation.decision
    pair, loss = ctx.target_region(), ctx.output_of("verify").get("data_loss_s")
    downtime, waiting = _downtimes(ctx)
    return {
        "server": server.name,
        "region": regions.display(server.region),
        "pair": regions.display(pair) if pair else "no paired region",
        "owner": ctx.situation.tolerance.owner or "nobody declared",
        "outage": ctx.situation.outage.title if ctx.situation.outage else "none",
        "reasons": " ".join(reason.text for reason in decision.reasons) if decision else "A human started it.",
        "copy": str(ctx.copy().get("copy", "none")).rpartition("/")[2],
        "record": str(ctx.output_of("cut_over").get("record") or "no DNS record declared (tag outage-dns)"),
        "loss": _seconds(loss) if loss is not None else "not measured; at most the bound of geo-backup",
        "cut_over_at": f"{decision.cut_over_at:%H:%M:%S} UTC" if decision and decision.cut_over_at else "not planned",
        "downtime": downtime,
        "downtime_waiting": waiting,
        "run": ctx.run.id,
    }


def _downtimes(ctx: doors.Context) -> tuple[str, str]:
    outlook = ctx.situation.decision.outlook if ctx.situation.decision else None
    if outlook is None:
        return "unknown", "unknown"
    return durations.show(outlook.expected_downtime), durations.show(outlook.expected_downtime_waiting)


def _seconds(value: object) -> str:
    return durations.show(timedelta(seconds=float(str(value))))


def _fill(text: str, words: Mapping[str, str]) -> str:
    return " ".join(string.Template(text).safe_substitute(words).split())
