"""`responder scorecard`: after outages, was it right? For what was done, and for what shadow mode would have done."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from responder.cli import reach, show

if TYPE_CHECKING:
    from responder.core import scorecards
    from responder.store import sqlite


@click.command()
@click.option("--since", help="Only outages that began since: a date (2026-11-01), a time, or how long ago (30d).")
@click.option("--all", "unfinished", is_flag=True, help="Also outages that are not over; their figures go up to now.")
@reach.with_config
@reach.with_json
def scorecard(since: str | None, unfinished: bool, config: Path, as_json: bool) -> None:
    """Needless, missed, cost: every server of every outage that is over, and the sum."""
    from responder import clock, settings
    from responder.core import scorecards

    loaded, now = settings.load(config), clock.now()
    earliest = _since(since, now) if since else None
    takes = loaded.policy().timing.cutover

    async def read(store: sqlite.Store) -> tuple[list[scorecards.Score], int]:
        from responder.flow import scores

        found, still_open = [], 0
        for outage in reversed(await store.outages.list(100_000)):
            if earliest is not None and outage.impact_start < earliest:
                continue
            if not unfinished and await store.outages.closed_at(outage.id) is None:
                still_open += 1
                continue
            found += await scores.of_outage(store, outage, takes, now)
        return found, still_open

    found, still_open = reach.read(loaded, read)
    away = [score for score in found if score.verdict is not scorecards.Verdict.NOT_AWAY]
    if as_json:
        show.as_json(plain(away, still_open))
    else:
        _print(away, still_open)


def plain(found: list[scorecards.Score], still_open: int) -> dict[str, Any]:
    """The scorecard as JSON: rows, the sum, the sums of each mode, and how many outages are not over."""
    from responder.core import scorecards

    return {
        "rows": [_row(score) for score in found],
        "total": _total(scorecards.total(found)),
        "by_mode": {mode: _total(total) for mode, total in scorecards.by_mode(found).items()},
        "not_over": still_open,
    }


def _row(score: scorecards.Score) -> dict[str, Any]:
    from responder.core import scorecards
    from responder.flow import views

    case, course = score.case, score.case.course
    return {
        "server": case.server,
        "name": case.name,
        "outage": case.outage,
        "mode": "shadow" if course.supposed else "act",
        "verdict": score.verdict.value,
        "rto_s": views.seconds(case.rto),
        "impact_start": views.time(case.impact_start),
        "started_at": views.time(course.started_at),
        "asked_at": views.time(course.asked_at),
        "cut_over_at": views.time(course.moved_at),
        "data_loss_s": views.seconds(course.loss) if course.moved_at else None,
        "down_s": views.seconds(score.down),
        "down_waiting_s": views.seconds(score.down_waiting),
        "returned": score.returned,
        "missed": score.missed,
        "missed_waiting": score.missed_waiting,
        "needless": score.needless,
        "cost_s": views.seconds(score.cost),
        "cost_waiting_s": views.seconds(score.cost_waiting),
        "copy_s": views.seconds(score.copy_time),
        "words": scorecards.words(score),
    }


def _total(total: scorecards.Total) -> dict[str, Any]:
    from responder.core import scorecards
    from responder.flow import views

    return {
        "servers": total.servers,
        "undeclared": total.undeclared,
        "moved": total.moved,
        "needless": total.needless,
        "missed": total.missed,
        "missed_waiting": total.missed_waiting,
        "copies": total.copies,
        "down_s": views.seconds(total.down),
        "down_waiting_s": views.seconds(total.down_waiting),
        "cost_s": views.seconds(total.cost),
        "cost_waiting_s": views.seconds(total.cost_waiting),
        "copy_s": views.seconds(total.copy_time),
        "words": list(scorecards.summary(total)),
    }


def _print(found: list[scorecards.Score], still_open: int) -> None:
    from responder.core import durations, scorecards

    show.rows(
        "Scorecard",
        ("server", "outage", "mode", "verdict", "down", "waiting", "cost", "waiting", "in words"),
        [
            (
                score.case.name,
                score.case.outage,
                "shadow" if score.case.course.supposed else "act",
                score.verdict.value,
                durations.show(score.down),
                durations.show(score.down_waiting),
                durations.show(score.cost) if score.cost is not None else "",
                durations.show(score.cost_waiting) if score.cost_waiting is not None else "",
                scorecards.words(score),
            )
            for score in found
        ],
        empty="No outage that is over has taken a server away.",
    )
    for mode, total in scorecards.by_mode(found).items():
        click.echo("What was done:" if mode == "act" else "Shadow mode, what would have been done:")
        for sentence in scorecards.summary(total):
            click.echo(f"  {sentence}")
    if still_open:
        click.echo(f"Not over, and not counted: {still_open} (see them with --all).")


def _since(text: str, now: datetime) -> datetime:
    from responder.cli import moments
    from responder.core import durations, errors

    try:
        return moments.parse(text)
    except ValueError:
        pass
    try:
        return now - durations.parse(text)
    except errors.InputError as error:
        raise errors.InputError(
            "time.unreadable",
            f"{text!r} is neither a time nor a duration.",
            remedy="Write it like 2026-11-01 or 30d.",
            place="--since",
        ) from error
