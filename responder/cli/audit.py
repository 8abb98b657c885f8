"""`responder audit`: who decided, said and did what; and whether that record is whole. Only reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from responder.cli import reach, show

if TYPE_CHECKING:
    from responder.core import audits
    from responder.flow import auditing
    from responder.store import audit as rows
    from responder.store import stores

_SHOWN = 20


@click.group()
def audit() -> None:
    """The audit: who decided, said and did what. Works with the daemon up or down; changes nothing."""


def _narrowing(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--actor", default=None, help="Only what that one said or did."),
        click.option("--server", default=None, help="Only about this server: its ARM id, or a name only one has."),
        click.option("--run", "run_id", default=None, help="Only about this run."),
        click.option("--outage", default=None, help="Only about this outage: TRACKING-ID@region, or its start."),
        click.option(
            "--kind", "kinds", multiple=True, help="Only this kind, like approve, or effect. for all effects."
        ),
        click.option(
            "--until", default=None, help="Only before: 2026-03-01, 2026-03-01T12:00Z, or 2h for two hours ago."
        ),
        click.option("--since", default=None, help="Only from then on; written like --until."),
    ):
        command = option(command)
    return command


@audit.command()
@click.option("--head", "heads", multiple=True, help="A head that you wrote down: 12:ab34..., or the hash alone.")
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="An earlier export, or heads in lines.",
)
@reach.with_config
@reach.with_json
def verify(heads: tuple[str, ...], against: Path | None, config: Path, as_json: bool) -> None:
    """Compute the chain of hashes anew. Exit 1 when an entry was changed, removed, moved, inserted or cut off.

    Write the head down that it prints, elsewhere: given with --head next time, it shows also a chain that somebody with
    every right in the database has computed anew.
    """
    from responder import settings
    from responder.flow import auditing

    witness = _witness(heads, against)
    found = reach.read(settings.load(config), lambda store: auditing.verify(store.audit, witness))
    _print(found, as_json)
    if not found.whole:
        raise SystemExit(1)


def _print(found: auditing.Verdict, as_json: bool) -> None:
    if as_json:
        faults = [{"entry": one.number, "what": one.what, "text": one.text} for one in found.faults]
        head = str(found.head)
        show.as_json(
            {"whole": found.whole, "entries": found.entries, "head": head, "agreed": found.agreed, "faults": faults}
        )
        return
    for fault in found.faults[:_SHOWN]:
        click.echo(f"broken: {fault.text}")
    if len(found.faults) > _SHOWN:
        click.echo(f"... and {len(found.faults) - _SHOWN} more breaks (--json lists them)")
    if found.whole:
        agreed = f", and {found.agreed} of them as you know them" if found.agreed else ""
        click.echo(f"The audit is whole: {found.entries} entries{agreed}.")
    else:
        breaks = "1 break" if len(found.faults) == 1 else f"{len(found.faults)} breaks"
        click.echo(f"The audit is broken: {breaks} in {found.entries} entries.")
    click.echo(f"head: {found.head}")


def _witness(heads: tuple[str, ...], against: Path | None) -> audits.Witness:
    from responder.core import audits, errors

    witness = audits.Witness()
    lines = [(head, "--head") for head in heads]
    if against is not None:
        texts = against.read_text(encoding="utf-8", errors="replace").splitlines()
        lines += [(text, f"{against}:{number}") for number, text in enumerate(texts, 1) if text.strip()]
    for text, place in lines:
        try:
            if text.lstrip().startswith("{"):
                witness.line(audits.line_of(json.loads(text)))
            else:
                witness.head(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise errors.InputError(
                "audit.not-a-head",
                "This is neither a head nor a line of an export.",
                remedy="Give what `responder audit verify` or `responder audit export` printed.",
                place=place,
            ) from error
    return witness


@audit.command()
@_narrowing
@reach.with_config
def export(config: Path, **narrow: Any) -> None:
    """The entries as JSON lines on stdout, oldest first. Each can be verified by itself, and with its neighbours."""
    from responder import settings

    async def write(store: stores.Store) -> None:
        async for line in store.audit.find(await _wanted(store, **narrow)):
            click.echo(json.dumps(line.shown(), sort_keys=True, separators=(",", ":")))

    reach.read(settings.load(config), write)


@audit.command("list")
@_narrowing
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="So many, the newest.")
@reach.with_config
@reach.with_json
def list_(config: Path, as_json: bool, limit: int, **narrow: Any) -> None:
    """The newest entries for people. Who signed for the loss? `responder audit list --kind approve`."""
    from responder import settings

    async def read(store: stores.Store) -> list[audits.Line]:
        return await store.audit.newest(await _wanted(store, **narrow), limit)

    found = reach.read(settings.load(config), read)
    if as_json:
        show.as_json({"entries": [line.shown() for line in found]})
        return
    show.rows(
        "Audit",
        ("no.", "at", "kind", "by", "about", "what"),
        [(line.number, line.at[:19] + "Z", line.kind, line.actor, _about(line), _what(line)) for line in found],
        empty="No such entry.",
    )
    if len(found) == limit:
        click.echo(f"The newest {limit}; there may be older ones (--limit).", err=True)


def _about(line: audits.Line) -> str:
    return line.run or line.subject or (line.server or "").rpartition("/")[2]


def _what(line: audits.Line) -> str:
    """The body in a sentence: what was signed for, and at which price; else what matters of its kind."""
    body = json.loads(line.body)
    parts = []
    if "loss_accepted_s" in body:
        parts.append(f"signs for a loss of {show.span(body['loss_accepted_s'])}")
    price = (body.get("asked") or {}).get("price") or {}
    shown = price.get("loss") or (body.get("decision") or {}).get("data_loss_bound") if line.run else None
    if shown:
        parts.append(f"was shown a loss of {_span(shown)}")
    if line.kind.startswith("approval."):
        parts += _asked(body)
    if line.kind == "effect.outcome":
        parts += _came(body.get("output") or {})
    for name in (
        "action",
        "word",
        "step",
        "do",
        "state",
        "verdict",
        "playbook",
        "version",
        "digest",
        "why",
        "reason",
        "until",
    ):
        value = body.get(name)
        if isinstance(value, str) and value:
            parts.append(f"{name}: {value[:12] if name == 'digest' else value}")
    if line.kind == "decision":
        parts += [reason["text"] for reason in body["reasons"][:1]]
    return ", ".join(parts)


def _asked(body: dict[str, Any]) -> list[str]:
    """What people were told when they were asked for a yes."""
    price = body.get("price") or {}
    known = "measured" if price.get("measured") else "not measured"
    told = {
        f"a loss of up to {{}} ({known})": price.get("loss"),
        "away for {} if it is cut over": price.get("downtime"),
        "{} if not": price.get("downtime_waiting"),
    }
    return [
        *(text.format(_span(value)) for text, value in told.items() if value),
        *([f"if nobody answers: {body['default']}"] if body.get("default") else []),
    ]


def _came(output: dict[str, Any]) -> list[str]:
    """What became of applications and data."""
    if output.get("verdict") != "cut-over":
        return []
    leads = f"{output['record']} now leads to {output.get('to')}" if output.get("record") else "no record was changed"
    loss = output.get("data_loss_s")
    return [leads, f"lost {show.span(loss)} of the newest data" if loss is not None else "the loss was not measured"]


def _span(written: str) -> str:
    from responder.core import durations

    return durations.show(durations.parse(written))


async def _wanted(store: stores.Store, *, run_id: str | None, **narrow: Any) -> rows.Wanted:
    from responder.core import servers
    from responder.flow import requests
    from responder.store import audit as rows

    server = narrow["server"]
    if server is not None and not server.startswith("/"):
        server = (await requests.find_server(store, server)).id
    return rows.Wanted(
        since=_moment(narrow["since"], "--since"),
        until=_moment(narrow["until"], "--until"),
        kinds=[_known(kind) for kind in narrow["kinds"]],
        run=run_id,
        server=servers.server_id(server) if server else None,
        outage=narrow["outage"],
        actor=narrow["actor"],
    )


def _known(kind: str) -> str:
    """The kind. Of one that there is not, "no such entry" would be a wrong answer."""
    from responder.core import audits, errors

    if any(one == kind or (kind.endswith(".") and one.startswith(kind)) for one in audits.KINDS):
        return kind
    remedy = f"There are: {', '.join(sorted(audits.KINDS))}; and `effect.` for all effects."
    raise errors.InputError("audit.unknown-kind", f"No entry is of kind {kind!r}.", remedy=remedy, place="--kind")


def _moment(text: str | None, place: str) -> Any:
    from responder import clock
    from responder.cli import moments
    from responder.core import durations, errors

    if text is None:
        return None
    try:
        return moments.parse(text)
    except ValueError:
        try:
            return clock.now() - durations.parse(text, place=place)
        except errors.InputError as error:
            remedy = "Write it like 2026-03-01, 2026-03-01T12:00Z, or 2h for two hours ago."
            raise errors.InputError("audit.time", f"{text!r} is no time.", remedy=remedy, place=place) from error
