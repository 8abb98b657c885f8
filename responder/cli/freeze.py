"""`responder freeze` and `responder unfreeze`: the brake, with the daemon up or down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from responder.cli import reach, show

if TYPE_CHECKING:
    from responder import settings
    from responder.flow import braking


def _scope(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option("--server", default="", help="Only this server: its ARM id, or a name only one has.")(
        command
    )
    return click.option("--region", default="", help="Only servers of this region.")(command)


@click.command(
    epilog="""\b
Examples:
  responder freeze --reason "wrong decisions, looking into it"      everything
  responder freeze --region eastus2 --for 2h --reason "a change of ours"
  responder freeze --server orders --reason "the owner restores it by hand"
  responder freeze --list
"""
)
@_scope
@click.option("--reason", default="", help="Why; shown with every refusal.")
@click.option("--for", "lasts", default=None, help="How long, like 2h. Default: until it is lifted.")
@click.option("--list", "listing", is_flag=True, help="Only show what is frozen.")
@reach.with_config
@reach.with_json
def freeze(
    region: str, server: str, reason: str, lasts: str | None, listing: bool, config: Path, as_json: bool
) -> None:
    """Begin nothing new: no run, no restore, no cut-over, no deletion.

    What is under way in Azure is still watched; probing, deciding and telling go on. Without --region or --server it
    holds everything. Freezing again changes reason and end.
    """
    from responder import settings

    loaded = settings.load(config)
    if listing:
        found = reach.read(loaded, _standing)
    else:
        _insist(reason)
        body = {"region": region, "server": server, "reason": reason, "for": lasts or ""}
        found = reach.run(_either(loaded, "/api/v1/freezes", body, lift=False))
    _print(found, as_json, "Nothing is frozen.")


@click.command()
@_scope
@click.option("--reason", default="", help="Why; kept and told.")
@reach.with_config
@reach.with_json
def unfreeze(region: str, server: str, reason: str, config: Path, as_json: bool) -> None:
    """Let a freeze go: the same scope it was made for. Without a scope: the one of everything, and halted waves."""
    from responder import settings

    _insist(reason)
    body = {"region": region, "server": server, "reason": reason}
    found = reach.run(_either(settings.load(config), "/api/v1/freezes/lift", body, lift=True))
    _print(found, as_json, "Nothing of that scope was frozen.")


def _insist(reason: str) -> None:
    """As `braking` does; here it is about an option."""
    from responder.core import errors

    if not reason.strip():
        remedy = "Say why: everybody will ask."
        raise errors.InputError("brake.no-reason", "No reason is given.", remedy=remedy, place="--reason")


def resume_wave(config: Path, outage_id: str, reason: str) -> dict[str, Any]:
    """Let the restores of an outage go on that its error budget has halted."""
    _insist(reason)
    from responder import settings

    body = {"wave": outage_id, "reason": reason}
    return reach.run(_either(settings.load(config), "/api/v1/freezes/lift", body, lift=True))


async def _standing(store: Any) -> dict[str, Any]:
    from responder import clock
    from responder.flow import views

    return views.of_freezes(await store.brakes.standing(clock.now()))


async def _either(loaded: settings.Settings, path: str, body: dict[str, str], *, lift: bool) -> dict[str, Any]:
    from responder import clock
    from responder.flow import braking, views
    from responder.store import stores

    asked = _asked(body)

    async def alone() -> views.Json:
        store = await stores.open_store(loaded.store)
        try:
            if lift:
                lifted = [views.of_freeze(one) for one in await braking.lift(store, asked, clock.now())]
                return {"lifted": lifted, **views.of_freezes(await store.brakes.standing(clock.now()))}
            held = await braking.freeze(store, asked, clock.now())
            return {**views.of_freezes(await store.brakes.standing(clock.now())), "frozen": views.of_freeze(held)}
        finally:
            await store.close()

    async def together() -> views.Json:
        return await reach.ask_daemon(loaded, path, {**body, "by": asked.by})

    return await reach.either(loaded, alone, together)


def _asked(body: dict[str, str]) -> braking.Asked:
    from responder.core import durations
    from responder.flow import braking

    return braking.Asked(
        by=reach.who(),
        reason=body["reason"],
        region=body.get("region", ""),
        server=body.get("server", ""),
        wave=body.get("wave", ""),
        lasts=durations.parse(body["for"], place="--for") if body.get("for") else None,
    )


def _print(found: dict[str, Any], as_json: bool, nothing: str) -> None:
    if as_json:
        show.as_json(found)
        return
    lifts, standing = "lifted" in found, found.get("freezes", ())
    for one in found.get("lifted", ()):
        click.echo(f"not frozen any more: {one['words']}")
    if not found.get("lifted") and (lifts or not standing):
        click.echo(nothing + (" Still frozen:" if standing else ""))
    for one in standing:
        click.echo(f"{'still ' if found.get('lifted') else ''}frozen: {one['sentence']}")
