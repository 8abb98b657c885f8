"""Carrying out one run at the terminal while no daemon does: what is shown, and asking whoever sits there.

Asks only at a terminal, and never with `--yes` or `--json`: a script must not wait for an answer nobody gives.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click

from responder.cli import reach, run_told, show

if TYPE_CHECKING:
    from responder import service
    from responder.core import runs

_YES, _NO, _LEAVE = "yes", "no", "leave"


def somebody_there() -> bool:
    """Whether a question would be seen and could be answered."""
    return sys.stdin.isatty()


async def out(parts: service.Parts, run_id: runs.RunId, *, quiet: bool, ask: bool) -> dict[str, Any]:
    """Carry it out until it ends, or waits for what nobody here says. The run as it was left, with its steps."""
    from responder import service
    from responder.flow import views

    hand = service.one_run(parts)
    try:
        while True:
            async for state in hand.carry_out(run_id):
                if not quiet:
                    click.echo(await _line(parts, state), err=True)
            left = await parts.store.runs.get(run_id)
            assert left is not None, "a submitted run stays in the journal"
            if not ask or left.waiting_for != "approval" or not await _answered(parts, left):
                break
    except asyncio.CancelledError:
        click.echo(f"{run_id} stays in the journal. {how_to_go_on(run_id)}", err=True)
        raise
    shown = await views.run(parts.store, left)
    if not left.state.ended:
        click.echo(f"{left.id} waits for {left.waiting_for}. {_because(shown)}{how_to_go_on(left.id)}", err=True)
    return shown


async def _line(parts: service.Parts, run: runs.Run) -> str:
    """Where it is now, and what keeps it from going on."""
    record = (await parts.store.runs.steps(run.id)).get(run.step or "")
    waits = f", waits for {run.waiting_for}" if run.waiting_for else ""
    why = f": {record.why}" if record is not None and record.why else ""
    return f"{run.state}: {run.step or 'ended'}{waits}{why}"


def how_to_go_on(run_id: str) -> str:
    """For a run that nobody carries out now."""
    return (
        f"To answer it: responder runs approve|decline|cancel {run_id}. Then: responder runs carry-on {run_id}, or "
        "start the daemon: both go on where it was left."
    )


def _because(shown: dict[str, Any]) -> str:
    return "".join(f"{sentence} " for sentence in shown["brakes"])


async def _answered(parts: service.Parts, left: runs.Run) -> bool:
    """Ask for a yes or a no, and say it in the name of whoever answers. False: it is left as it is."""
    from responder import clock
    from responder.core import durations, errors
    from responder.core import runs as core_runs
    from responder.flow import questions, requests

    rules = questions.rules(parts.config)
    found = questions.as_json(await questions.find(parts.store, rules, clock.now()), rules)["approvals"]
    one = next((one for one in found if one["run"] == left.id), None)
    if one is None:
        return False
    click.echo(f"\n{one['name']}: {one['sentence']} {one['missing']}".rstrip(), err=True)
    choices = click.Choice([_YES, _NO, _LEAVE])
    said = click.prompt("Cut over to the copy?", type=choices, default=_LEAVE, err=True)
    if said == _LEAVE:
        return False
    loss = None
    if said == _YES:
        usual = durations.show(durations.parse(one["to_sign"])) if one["to_sign"] else ""
        text = "Sign for a loss of up to (like 40m; Enter: " + (usual or "only what its owner allows") + ")"
        given = click.prompt(text, default=one["to_sign"] or "", show_default=False, err=True)
        loss = durations.parse(given, place="loss") if given else None
    topic = core_runs.Topic.APPROVE if said == _YES else core_runs.Topic.DECLINE
    word = requests.Word(topic=topic, by=reach.who(), reason="answered at the terminal", accept_loss=loss)
    try:
        noted = await requests.say(parts.store, left.id, word, clock.now(), rules.policy)
    except errors.ResponderError as error:
        click.echo(f"responder: {error}", err=True)
        return False
    for sentence in filter(None, (noted.answer.sentence, noted.missing, noted.braked)):
        click.echo(sentence, err=True)
    return True


@click.command("carry-on")
@click.argument("run_id")
@click.option("--yes", is_flag=True, help="Ask nothing at the terminal.")
@reach.with_config
@reach.with_json
def carry_on(run_id: str, yes: bool, config: Any, as_json: bool) -> None:
    """Go on with a run here, while no daemon does: from where it was left, until it ends or waits for a word.

    With the daemon up there is nothing to do: it carries the run out.
    """
    from responder import logs, settings

    loaded = settings.load(config)
    logs.configure("error")  # what does not work is said in words
    ask = somebody_there() and not yes and not as_json

    async def alone() -> dict[str, Any]:
        from responder import service
        from responder.flow import views

        async with service.assembled(loaded) as parts:
            run = await _unfinished(parts, run_id)
            if await parts.store.register.daemons():
                return {**await views.run(parts.store, run), "note": "A daemon carries it out."}
            return await out(parts, run.id, quiet=as_json, ask=ask)

    async def together() -> dict[str, Any]:
        return {**await reach.run_shown(loaded, run_id), "note": "The daemon carries it out."}

    found = reach.run(reach.either(loaded, alone, together))
    if as_json:
        show.as_json(found)
    else:
        run_told.print_all(found)
        click.echo(found.get("note", ""), nl=bool(found.get("note")))
    if found["state"] in ("failed", "cancelled"):
        raise SystemExit(1)


async def _unfinished(parts: service.Parts, run_id: str) -> runs.Run:
    from responder.core import errors
    from responder.core import runs as core_runs

    run = await parts.store.runs.get(core_runs.RunId(run_id))
    if run is None:
        remedy = "See `responder runs list --all`."
        raise errors.InputError("run.unknown", f"There is no run {run_id!r}.", remedy=remedy)
    if run.state.ended:
        remedy = f"`responder runs retry {run.id}` makes a failed run go on; then carry it on."
        raise errors.RefusedError("run.ended", f"Run {run.id} is {run.state} already.", remedy=remedy)
    return run
