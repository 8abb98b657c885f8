"""`responder replay`: the policy over recorded outages. Reads a table, draws outcomes with a seed, touches nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from responder.cli import reach, show

if TYPE_CHECKING:
    from responder.core import decisions, replays


@click.command()
@click.option(
    "--history",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A CSV of recorded outages. Default: the 41 that come with it.",
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A settings file; its decision section is replayed. Default: the defaults.",
)
@click.option("--size", type=click.Choice(["small", "middle", "large", "all"]), default="middle", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--servers", type=click.IntRange(1, 5000), default=200, show_default=True, help="Drawn per incident.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Also draw the picture into this file.")
@click.option(
    "--incident",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Instead: an incident of your own (`responder incidents export`), server by server, under --policy.",
)
@reach.with_json
def replay(history: Path | None, policy: Path | None, incident: Path | None, as_json: bool, **drawn: Any) -> None:
    """What each policy would have missed, and lost for nothing, over recorded outages of Azure."""
    if incident is not None:
        from responder.cli.replay import own

        own.replay(incident, policy, as_json=as_json)
    else:
        _of_history(history, _policy(policy), as_json=as_json, **drawn)


def _of_history(history: Path | None, rules: decisions.Policy, *, as_json: bool, **drawn: Any) -> None:
    from responder.cli.replay import history as histories
    from responder.cli.replay import picture
    from responder.core import replays as core_replays

    incidents = histories.load(history)
    size, seed, svg = drawn["size"], drawn["seed"], drawn["svg"]
    sizes = ("small", "middle", "large") if size == "all" else (size,)
    setup = core_replays.Setup(
        beliefs=rules.beliefs,
        timing=rules.timing,
        notices_min=histories.NOTICES_MIN,
        size_classes=sizes,
        servers=drawn["servers"],
        seed=seed,
    )
    rows = core_replays.replay(incidents, setup)
    if svg is not None:
        _write(svg, picture.svg(rows))
    if as_json:
        show.as_json({"rows": [_plain(row) for row in rows], "incidents": len(incidents), "seed": seed})
        return
    _print(rows, len(incidents), seed)
    picture.terminal(rows)
    if svg is not None:
        click.echo(f"\nThe picture is in {svg}.")


def _write(path: Path, text: str) -> None:
    from responder.core import errors

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        what = f"The picture cannot be written: {error.strerror or type(error).__name__}."
        remedy = "Give the path of a file in a folder that is there and that you may write to."
        raise errors.InputError("replay.not-written", what, remedy=remedy, place=str(path)) from error


def _policy(path: Path | None) -> decisions.Policy:
    from responder import settings

    return settings.load(path).policy() if path else settings.Settings().policy()


def _plain(row: replays.Row) -> dict[str, object]:
    values = dataclasses.asdict(row)
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}


def _print(rows: Sequence[replays.Row], incidents: int, seed: int) -> None:
    several = len({row.size_class for row in rows}) > 1
    columns = ("RTO", "policy", "missed %", "needless %", "down h", "copies %", "copy h", "cost h")
    show.rows(
        f"{incidents} recorded outages, {'all' if several else rows[0].size_class} servers, seed {seed}",
        (*(("size",) if several else ()), *columns),
        [
            (
                *((row.size_class,) if several else ()),
                f"{row.rto_h:g} h",
                row.policy,
                _share(row.missed_pct, row.missed_95),
                _share(row.needless_pct, row.needless_95),
                f"{row.mean_down_h:.1f}",
                f"{row.copies_pct:.0f}",
                f"{row.copy_hours:.1f}",
                f"{row.cost_h:.1f}",
            )
            for row in rows
        ],
        empty="Nothing was replayed.",
    )
    click.echo("missed: the RTO was not met. needless: data was given up although the outage ended within the RTO.")
    click.echo("cost: hours of downtime, and the RTO once more for each cut-over: the owner's own rate.")
    click.echo("In brackets the 95 % interval of a bootstrap over the outages.")


def markdown(rows: Sequence[replays.Row]) -> str:
    """The rows of one RTO and size class as the README shows them."""
    lines = [
        "| policy | RTO missed % | needless cut-overs % | mean downtime h | copies started % | cost h |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        name = f"**{row.policy}**" if row.policy.startswith("hedge") else row.policy
        missed, needless = _share(row.missed_pct, row.missed_95), _share(row.needless_pct, row.needless_95)
        figures = f"{row.mean_down_h:.1f} | {row.copies_pct:.0f} | {row.cost_h:.1f}"
        lines.append(f"| {name} | {missed} | {needless} | {figures} |")
    return "\n".join([*lines, ""])


def _share(value: float, interval: tuple[float, float] | None) -> str:
    if interval is None or interval[0] == interval[1]:
        return f"{value:.1f}"
    digits = 1 if interval[1] < 10 else 0
    return f"{value:.1f} ({interval[0]:.{digits}f}-{interval[1]:.{digits}f})"
