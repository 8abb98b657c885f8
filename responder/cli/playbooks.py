"""`responder playbooks`: what there is, what it says, whether it is right, and what it would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from responder.cli import reach, show

if TYPE_CHECKING:
    from responder import playbook_files, settings, steps
    from responder.core import errors
    from responder.core import playbooks as core

_config = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="RESPONDER_CONFIG",
    default=None,
    help="The settings file (or RESPONDER_CONFIG). Without one: the shipped playbooks, every step kind switched on.",
)


@click.group(
    epilog="""\b
Examples:
  responder playbooks show geo-restore                      as it is read aloud
  responder playbooks lint /etc/responder/playbooks         every mistake, with line, column and remedy
  responder playbooks reload                                have the daemon take them; all or none
  responder playbooks plan geo-restore --server orders      what it would do now
"""
)
def playbooks() -> None:
    """Playbooks: list, show, lint, plan, reload, schema."""


@playbooks.command("list")
@_config
@reach.with_json
def list_(config: Path | None, as_json: bool) -> None:
    """Every playbook: where it comes from, and what it stands before."""
    library = _library(_loaded(config))
    if as_json:
        show.as_json(
            {
                "playbooks": [_entry(found) for _, found in sorted(library.found.items())],
                "unusable": [{"name": name, **error.jsonable()} for name, error in sorted(library.unusable.items())],
            }
        )
        return
    lines = [
        (name, found.playbook.title, _origin(found), found.playbook.version)
        for name, found in sorted(library.found.items())
    ]
    show.rows("Playbooks", ("name", "what it does", "from", "version"), lines, empty="There is no playbook.")
    for name, error in sorted(library.unusable.items()):
        click.echo(f"{name} cannot be used: {error}")


def _origin(found: playbook_files.Found) -> str:
    origin = "shipped" if found.shipped else str(found.path)
    shipped = _shipped_folder()
    hidden = [("the shipped one" if path.parent == shipped else str(path)) for path in found.shadows]
    return origin + (f" (instead of {' and '.join(hidden)})" if hidden else "")


def _shipped_folder() -> Path:
    """Where the shipped playbooks lie."""
    from responder import playbook_files

    return playbook_files.shipped_folder()


def _entry(found: playbook_files.Found) -> dict[str, Any]:
    book = found.playbook
    return {
        "name": book.name,
        "title": book.title,
        "purpose": book.purpose,
        "version": book.version,
        "path": str(found.path),
        "shipped": found.shipped,
        "shadows": [str(path) for path in found.shadows],
        "parameters": [
            {
                "name": p.name,
                "type": p.type,
                "default": p.default,
                "required": p.required,
                "choices": list(p.choices),
                "about": p.about,
            }
            for p in book.parameters
        ],
        "steps": [step.id for step in book.steps],
    }


@playbooks.command("show")
@click.argument("name")
@_config
@reach.with_json
def show_(name: str, config: Path | None, as_json: bool) -> None:
    """One playbook, as it is read aloud."""
    from responder.core import playbooks as core

    loaded = _loaded(config)
    found, registry = _found(_library(loaded), name), _registry(loaded)
    told = core.aloud(found.playbook, registry.declared)
    if as_json:
        steps_ = [_step(step, registry) for step in found.playbook.steps]
        requires = [{"that": one.that, "about": one.about} for one in found.playbook.requires]
        show.as_json({**_entry(found), "requires": requires, "steps": steps_, "prose": told})
    else:
        click.echo(f"{told}\n\nFrom {_origin(found)}, version {found.playbook.version}.")


def _step(step: Any, registry: steps.Registry) -> dict[str, Any]:
    from responder.core import durations

    kind = registry.declared.get(step.kind)
    return {
        "id": step.id,
        "do": step.kind,
        "about": step.about,
        "effect": kind.effect if kind else None,
        "when": step.when,
        "with": dict(step.settings),
        "timeout": durations.write(step.timeout) if step.timeout else None,
        "attempts": step.attempts,
        "on_failure": step.on_failure,
    }


@playbooks.command("lint")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@_config
@reach.with_json
def lint(paths: tuple[Path, ...], config: Path | None, as_json: bool) -> None:
    """Check files or folders, else every playbook in use: each problem with file, line, column and remedy.

    Exit 1 when there is one.
    """
    from responder import playbook_files

    loaded = _loaded(config)
    speech = _language(loaded)
    files = _files(paths) if paths else [path for path, _ in playbook_files.files(_folders(loaded))]
    problems = [problem for path in files for problem in playbook_files.examine(path, speech).problems]
    if as_json:
        show.as_json({"files": [str(path) for path in files], "problems": [p.jsonable() for p in problems]})
    else:
        for problem in problems:
            click.echo(str(problem))
        click.echo(_summary(len(files), problems), err=bool(problems))
    if problems:
        raise SystemExit(1)


def _summary(count: int, problems: list[errors.InputError]) -> str:
    files = "1 file" if count == 1 else f"{count} files"
    if not problems:
        return f"{files}: nothing to complain about."
    return f"{files}: {len(problems)} problem{'s' if len(problems) > 1 else ''}."


def _files(paths: tuple[Path, ...]) -> list[Path]:
    from responder import playbook_files
    from responder.core import errors

    found: list[Path] = []
    for path in paths:
        inside = [one for one in sorted(path.iterdir()) if playbook_files.is_playbook(one)] if path.is_dir() else [path]
        if not inside:
            text = "There is no playbook in this folder."
            raise errors.InputError("playbooks.none", text, remedy="Their names end in .yaml.", place=str(path))
        found += inside
    return found


@playbooks.command("plan")
@click.argument("name")
@click.option("--server", required=True, help="ARM id, or a name only one server has.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the playbook; repeatable.")
@reach.with_config
@reach.with_json
def plan_(name: str, server: str, given: tuple[str, ...], config: Path, as_json: bool) -> None:
    """What a playbook would do to a server now, and the hash by which `responder run --plan` does exactly that."""
    from responder import logs, settings
    from responder.cli import plan, run
    from responder.flow import requests

    loaded = settings.load(config)
    logs.configure("warning")
    asked = requests.RunRequest(playbook=name, server=server, by=reach.who(), params=run.params(given))
    plan.show_plan(reach.run(plan.planned(loaded, asked)), as_json)


@playbooks.command("reload")
@reach.with_config
@reach.with_json
def reload(config: Path, as_json: bool) -> None:
    """Have the running daemon load its playbooks anew; runs under way keep theirs.

    All files or none: with a mistake in one, the daemon goes on with those it has, and says so. Other instances that
    share the store are told each for itself, by this command on their machine, or by SIGHUP.
    """
    from responder import settings

    found = reach.run(reach.ask_daemon(settings.load(config), "/api/v1/playbooks/reload", {"by": reach.who()}))
    if as_json:
        show.as_json(found)
        return
    changed = ", ".join(found["changed"]) or "none is different"
    click.echo(f"{len(found['playbooks'])} playbooks loaded; changed: {changed}.")


@playbooks.command("schema")
@_config
def schema(config: Path | None) -> None:
    """The JSON Schema of playbook files, for editors, with the step kinds there are on this machine."""
    from responder.core import playbooks as core

    show.as_json(core.schema(_registry(_loaded(config)).declared.values()))


def _loaded(config: Path | None) -> settings.Settings | None:
    from responder import logs, settings

    logs.configure("error")
    return settings.load(config) if config is not None else None


def _registry(loaded: settings.Settings | None) -> steps.Registry:
    from responder import steps
    from responder.settings import switched_off

    return steps.discovered(switched_off(loaded) if loaded is not None else {})


def _folders(loaded: settings.Settings | None) -> Path | tuple[Path, ...] | None:
    return loaded.playbooks if loaded is not None else None


def _library(loaded: settings.Settings | None) -> playbook_files.Library:
    from responder import playbook_files

    return playbook_files.library(_folders(loaded), _language(loaded), spare=True)


def _language(loaded: settings.Settings | None) -> core.Language:
    from responder import playbook_files
    from responder.flow import allowed

    registry = _registry(loaded)
    if loaded is None:
        return playbook_files.language(registry.kinds, registry.unusable)
    return allowed.language(loaded, registry)


def _found(library: playbook_files.Library, name: str) -> playbook_files.Found:
    from responder.core import errors

    if name in library.unusable:
        raise library.unusable[name]
    if name not in library.found:
        known = ", ".join(sorted(library.found))
        raise errors.InputError("playbook.unknown", f"There is no playbook {name!r}.", remedy=f"Known: {known}.")
    return library.found[name]
