"""`responder replay --incident`: an incident of one's own under another policy, against what happened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from responder import settings
from responder.cli import show
from responder.core import durations, errors, rehearsals, scorecards
from responder.flow import recordings, views


def replay(file: Path, policy: Path | None, *, as_json: bool) -> None:
    """Play the incident of that file; without a policy, with the one it was recorded under, as a check."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InputError(
            "incident.unreadable", "The file cannot be read.", remedy="Give the path of an export.", place=str(file)
        ) from error
    recording = recordings.read(text, str(file))
    loaded = settings.load(policy) if policy is not None else None
    rules = (loaded.policy(), loaded.tolerance()) if loaded else (recording.policy, recording.defaults)
    found = rehearsals.rehearse(recording, *rules)
    if as_json:
        show.as_json(plain(recording, found))
    else:
        _print(recording, found, str(policy) if policy else "the policy it was recorded under")


def plain(recording: rehearsals.Recording, found: Sequence[rehearsals.Rehearsed]) -> dict[str, Any]:
    """As JSON: for each server what happened, what would have, and every decision of the replay."""
    return {
        "incident": recording.outage.id,
        "as_of": views.time(recording.as_of),
        "rows": [_row(one) for one in found],
        "happened": _total(scorecards.total(one.before for one in found)),
        "replayed": _total(scorecards.total(one.after for one in found)),
    }


def _row(one: rehearsals.Rehearsed) -> dict[str, Any]:
    return {
        "server": one.recorded.server,
        "name": one.recorded.name,
        "happened": _score(one.before),
        "replayed": _score(one.after),
        "decisions": [
            {
                "at": views.time(step.at),
                "action": step.action.value,
                "start_by": views.time(step.start_by),
                "cut_over_at": views.time(step.cut_over_at),
                "reasons": [{"id": reason.id, "text": reason.text} for reason in step.reasons],
            }
            for step in one.steps
        ],
    }


def _score(score: scorecards.Score) -> dict[str, Any]:
    course = score.case.course
    return {
        "verdict": score.verdict.value,
        "started_at": views.time(course.started_at),
        "asked_at": views.time(course.asked_at),
        "cut_over_at": views.time(course.moved_at),
        "down_s": views.seconds(score.down),
        "missed": score.missed,
        "needless": score.needless,
        "cost_s": views.seconds(score.cost),
        "words": scorecards.words(score),
    }


def _total(total: scorecards.Total) -> dict[str, Any]:
    return {
        "servers": total.servers,
        "moved": total.moved,
        "needless": total.needless,
        "missed": total.missed,
        "copies": total.copies,
        "cost_s": views.seconds(total.cost),
        "copy_s": views.seconds(total.copy_time),
    }


def _print(recording: rehearsals.Recording, found: Sequence[rehearsals.Rehearsed], policy: str) -> None:
    show.rows(
        f"{recording.outage.id} under {policy}; hours since the impact start",
        ("server", "RTO", "", "copy started", "cut over", "verdict", "down", "cost", "in words"),
        [line for one in found for line in (_line("happened", one.before), _line("replayed", one.after))],
        empty="Nothing was decided in it.",
    )
    for name, total in (
        ("What happened:", scorecards.total(one.before for one in found)),
        ("What would have:", scorecards.total(one.after for one in found)),
    ):
        click.echo(name)
        for sentence in scorecards.summary(total):
            click.echo(f"  {sentence}")


def _line(name: str, score: scorecards.Score) -> tuple[str, ...]:
    case, course = score.case, score.case.course

    def since(at: Any) -> str:
        return durations.show(at - case.impact_start) if at is not None else "-"

    return (
        case.name if name == "happened" else "",
        durations.show(case.rto) if case.rto is not None else "undeclared",
        name,
        since(course.started_at),
        since(course.moved_at),
        score.verdict.value,
        durations.show(score.down),
        durations.show(score.cost) if score.cost is not None else "",
        scorecards.words(score),
    )
