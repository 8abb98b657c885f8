"""What people are told of runs: ended, in trouble, stuck. Announcements only; who writes runs writes them."""

from __future__ import annotations

from collections.abc import Mapping

from responder import clock
from responder.core import announcements, decisions, runs


def news(
    run: runs.Run, records: Mapping[str, runs.StepRecord], record: runs.StepRecord | None
) -> list[announcements.Announcement]:
    """What people are told of a run as it is now; written with it, so that no crash comes in between."""
    if run.state in (runs.State.FAILED, runs.State.CANCELLED):
        text = f"{run.why}{left(run, records)}. Look at it with: responder runs show {run.id}"
        if run.state is runs.State.FAILED:
            text += f" To try the failed step again: responder runs retry {run.id} --reason TEXT"
        # A run that somebody made go on may end as badly once more.
        key = f"{run.state}/{run.fence}"
        return [announcement(run, key, f"run.{run.state}", f"{run.playbook.name} {run.state}", text)]
    if record is not None and record.state is runs.StepState.RETRYING and record.attempts == 1:
        # The first failure is told at once: a missing right or quota is mended by people, not time.
        text = f"{record.id} of {run.id} did not work and is tried again: {record.why}"
        return [announcement(run, f"{record.id}/failed", "step.failed", f"{run.playbook.name} has trouble", text)]
    return []


def not_possible(run: runs.Run, why: str) -> announcements.Announcement:
    """A step cannot even be begun: only people can change that. Told once for each step, by the key."""
    text = f"{run.id} cannot go on: {why} It looks again now and then. Look at it with: responder runs show {run.id}"
    return announcement(run, f"{run.step}/not-possible", "step.not-possible", f"{run.playbook.name} cannot go on", text)


def in_the_way(run: runs.Run, decision: decisions.Decision, fact: decisions.Facts) -> list[announcements.Announcement]:
    """What is told, once, where a copy should be begun and a human's run of another purpose has the server."""
    if run.created_by == "responder" or runs.stands_in(run):
        return []
    text = (
        f"{fact.server.name} is down with {decision.outage}, and a copy should be begun now. But {run.id}, which "
        f"{run.created_by} started, has not ended, and a server has one run at a time. The copy follows when it has. "
        f"To give that run up: responder runs cancel {run.id} --reason TEXT"
    )
    subject = f"{run.playbook.name} is in the way of a copy"
    return [announcement(run, f"{decision.outage}/in-the-way", "run.in-the-way", subject, text)]


def quarantined(run: runs.Run, why: str) -> announcements.Announcement:
    """The alarm for a run that is not carried on any more by itself."""
    text = (
        f"{run.id} was begun {run.strikes} times in a row without an outcome and is in quarantine: {why}. "
        f"Nothing of it goes on by itself. The log has the details. When that is mended: responder runs retry {run.id} "
        f"--reason TEXT. To give it up: responder runs cancel {run.id} --reason TEXT"
    )
    return announcement(run, f"quarantine/{run.fence}", "run.quarantined", f"{run.playbook.name} in quarantine", text)


def left(run: runs.Run, records: Mapping[str, runs.StepRecord]) -> str:
    """What a run which goes no further leaves behind."""
    there, perhaps = runs.left(run, records), runs.perhaps_left(run, records)
    said = f"; {' and '.join(there)} {'exist and are' if there[1:] else 'exists and is'} left as it is" if there else ""
    if perhaps:
        said += (
            f"; Azure was asked for {' and '.join(perhaps)} and has not said that it makes it: look whether it is there"
        )
    return said


def announcement(run: runs.Run, key: str, kind: str, subject: str, text: str) -> announcements.Announcement:
    """One about a run. `key`: told once for the run."""
    return announcements.Announcement(
        key=f"{run.id}/{key}",
        kind=kind,
        subject=f"{subject}: {run.server_id.rpartition('/')[2]}",
        text=text,
        at=clock.now(),
        facts={"run": run.id, "server": run.server_id, "outage": run.outage_id or ""},
    )
