"""`responder inventory`."""

from __future__ import annotations

from pathlib import Path

import click

from responder.cli import reach, show


@click.command()
@reach.with_config
@reach.with_json
def inventory(config: Path, as_json: bool) -> None:
    """The estate, as last seen: what each owner declared, and whether the server answers."""
    from responder import settings
    from responder.flow import views

    loaded = settings.load(config)

    found = reach.read(loaded, lambda store: views.inventory(store, loaded.tolerance(), loaded.dns_zones))
    if as_json:
        show.as_json(found)
        return
    show.rows(
        "Inventory",
        ("server", "region", "tier", "geo-backup", "RTO", "RPO", "cut-over", "owner", "last probe", "Resource Health"),
        [_line(row) for row in found["servers"]],
        empty="No server is known yet. Is the subscription listed in the settings, and did the daemon run?",
    )
    for row in found["servers"]:
        for problem in row["tolerance"]["problems"] + row["tolerance"]["remarks"]:
            click.echo(f"{row['name']}: {problem}", err=True)
        if row["superseded"] is not None:
            click.echo(f"{row['name']}: {row['superseded']['sentence']}", err=True)


_PLAIN = ("", "door", "tls", "served", "silent")
"""What a probe that met nothing in particular said."""


def _line(row: dict[str, object]) -> tuple[object, ...]:
    tolerance, probe = row["tolerance"], row["probe"]
    assert isinstance(tolerance, dict)
    declared = bool(tolerance["declared"])
    seen = ""
    if isinstance(probe, dict):
        what = f" ({probe['said']})" if probe["said"] not in _PLAIN else ""
        seen = f"{'answers' if probe['answered'] else 'silent'}{what}, {show.ago(probe['at'])}"
    return (
        row["name"],
        show.region(str(row["region"])),
        row["tier"],
        "yes" if row["geo_backup"] else "no",
        show.span(tolerance["rto_s"]) if declared else "undeclared",
        show.span(tolerance["rpo_s"]),
        "superseded" if row["superseded"] else tolerance["cutover"] if declared else "",
        tolerance["owner"],
        seen,
        show.resource_health(row["resource_health"]),
    )
