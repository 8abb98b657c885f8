"""Asking a human for a yes, with the price on it. Silence is not an answer, and the text says what it leads to."""

from __future__ import annotations

from responder.core import announcements, decisions, durations, runs


def wanted(decision: decisions.Decision, facts: decisions.Facts, run: runs.Run) -> announcements.Announcement:
    """The announcement for a cut-over that is due and lacks a yes. One for each run."""
    name = facts.server.name
    loss = durations.show(decision.data_loss_bound) if decision.data_loss_bound is not None else "an unknown amount"
    outlook = decision.outlook
    acting = durations.show(outlook.expected_downtime) if outlook else "unknown"
    waiting = durations.show(outlook.expected_downtime_waiting) if outlook else "unknown"
    why = " ".join(reason.text for reason in decision.reasons)
    return announcements.Announcement(
        key=f"{run.id}/approval",
        kind="approval.wanted",
        subject=f"{name}: the cut-over is due and waits for a yes",
        text=(
            f"The copy of {name} is ready and its tolerance is spent. {why} "
            f"Cutting over loses up to {loss} of the newest data. Expected downtime: {acting}; waiting on: {waiting}. "
            f"If nobody answers, it is held: nothing is lost, and {name} stays down until its region returns. "
            f"Yes: responder runs approve {run.id} (with --accept-loss to sign for more than was declared). "
            f"No: responder runs decline {run.id}."
        ),
        at=decision.at,
        to=facts.tolerance.owner,
        facts={"run": run.id, "server": facts.server.id, "outage": decision.outage},
    )
