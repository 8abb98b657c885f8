"""A decision in a terminal, with everything that it rests on. Times are seen from the decision, not from now."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from responder.cli import show
from responder.core import durations

Shown = dict[str, Any]
"""A decision as `views.of_decision` gives it, with ways and beliefs."""


def print_all(shown: Shown) -> None:
    """What, why, when, at what price, and what was believed."""
    click.echo(f"{shown['action']}" + (f"  (playbook {shown['playbook']})" if shown["playbook"] else ""))
    if shown["shadow"]:
        click.echo("Shadow mode: nothing is started.")
    for reason in shown["reasons"]:
        click.echo(f"  - {reason['text']}")
    _print("When and at what price", [*_when(shown), *_price(shown)])
    ways = [
        (way["way"], "open" if way["open"] else "closed", show.span(way["data_loss_s"]) or "not known", _said(way))
        for way in shown["ways"]
    ]
    click.echo("")
    show.rows("Ways out, cheapest in data first", ("way", "", "loses up to", "because"), ways, empty="")
    _print("What is believed", _believed(shown["beliefs"]))
    _print("The rule, from the settings", _rule(shown["rule"]))


def _print(title: str, lines: list[tuple[str, str]]) -> None:
    click.echo(f"\n{title}")
    for name, value in lines:
        if value.strip(" ,/;"):
            click.echo(f"  {name + ':':43} {value}")


def _said(way: Shown) -> str:
    return " ".join(each["text"] for each in (*way["why_not"], *way["remarks"]))


def _when(shown: Shown) -> list[tuple[str, str]]:
    at = datetime.fromisoformat(shown["at"])
    names = {
        "at": "decided for",
        "start_by": "last safe moment to start the copy",
        "start_at": "the copy is started at",
        "cut_over_at": "cut over at",
        "must_serve_by": "must serve by",
        "review_at": "looked at again by",
    }
    return [(name, _moment(shown[key], at)) for key, name in names.items()]


def _moment(text: str | None, at: datetime) -> str:
    """`2026-03-04 15:35:00 UTC, in 9 h 35 m`."""
    if text is None:
        return ""
    moment = datetime.fromisoformat(text)
    if moment == at:
        return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    distance = f"in {durations.show(moment - at)}" if moment > at else f"{durations.show(at - moment)} before"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, {distance}"


def _price(shown: Shown) -> list[tuple[str, str]]:
    acting, waiting = show.percent(shown["p_meet_rto"]), show.percent(shown["p_meet_rto_waiting"])
    down, down_waiting = show.span(shown["expected_downtime_s"]), show.span(shown["expected_downtime_waiting_s"])
    return [
        ("evidence", shown["evidence"] or ""),
        ("way out", shown["way"] or "none but waiting"),
        ("a restore takes (P50 / P90)", f"{show.span(shown['restore_p50_s'])} / {show.span(shown['restore_p90_s'])}"),
        ("P(meeting the RTO)", f"{acting}; waiting: {waiting}" if acting else ""),
        ("expected downtime", f"{down}; waiting: {down_waiting}" if down else ""),
        ("data loss up to", show.span(shown["data_loss_bound_s"])),
        ("a human's yes is needed", "yes" if shown["consent_needed"] else "no"),
    ]


def _believed(beliefs: Shown) -> list[tuple[str, str]]:
    """What the figures rest on."""
    restore, outage, blocked = beliefs["restore"], beliefs["outage"], beliefs["blocked"]
    measured = _measured(restore)
    still = ", ".join(f"{hours} {share:.0%}" for hours, share in outage["still_out_after"].items())
    curve = ", ".join(f"{show.span(span)} {share:.0%}" for span, share in outage["survival"])
    found = [
        (
            f"a restore of a {restore['size_class']} server",
            f"P50 {show.span(restore['p50_s'])}, P95 {show.span(restore['p95_s'])} on a calm day, {measured}; "
            f"times {restore['surge']:g} in an outage",
        ),
        (
            "the start is planned with",
            f"{show.span(restore['planned_s'])} ({restore['planned_with']:.0%} are done by then)"
            f" and {show.span(beliefs['queue_wait_s'])} in the queue",
        ),
        ("share of outages that last longer", curve),
        (f"of those that last {show.span(outage['elapsed_s'])}, so much longer", still),
    ]
    if outage["big_given_elapsed"] is not None:
        big = f"{show.percent(outage['big_given_elapsed'])} ({outage['big_share']:.0%} of all)"
        found.append(("this is one of the big outages", big))
    found.append(("restoring is itself out of order", f"{blocked['share']:.0%}, for {show.span(blocked['lasts_s'])}"))
    return found


def _measured(restore: Shown) -> str:
    """What the belief has learned from: `5 drills and 2 real restores (1 failed) counted in`."""
    counts = {"drill": restore.get("drills", 0), "real restore": restore.get("real", 0)}
    said = [f"{count} {what}{'s' if count > 1 else ''}" for what, count in counts.items() if count]
    if not said:
        return "none measured yet"
    failed = f" ({restore['failed']} failed)" if restore.get("failed") else ""
    return f"{' and '.join(said)}{failed} counted in"


def _rule(rule: Shown) -> list[tuple[str, str]]:
    """By the names that the settings have."""
    return [
        (name.removesuffix("_s"), show.span(value) if name.endswith("_s") else f"{value:g}")
        for name, value in rule.items()
    ]
