"""What the settings allow step kinds that reach beyond Azure, as far as a playbook says it in so many words: told when
it is loaded, and not in the night it is needed in. The step asks again before it acts."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from responder import playbook_files, settings, steps
from responder.core import calls, errors, playbooks
from responder.core.playbooks import templates
from responder.outward import http, programs

Found = Iterator[tuple[str, errors.InputError]]


def language(config: settings.Settings, registry: steps.Registry) -> playbooks.Language:
    """What playbooks may be written in on this machine."""
    return playbook_files.language(registry.kinds, registry.unusable, _judges(config))


def _judges(config: settings.Settings) -> dict[str, playbooks.Judge]:
    found: dict[str, playbooks.Judge] = {}
    off = settings.switched_off(config)
    if "http_request" not in off:
        found["http_request"] = functools.partial(_calls, http.Http(config.steps.http_request))
    if "command" not in off:
        found["command"] = functools.partial(_programs, programs.Programs(config.steps.command))
    return found


def _calls(door: http.Http, given: Mapping[str, Any]) -> Found:
    if given.get("json") is not None and given.get("body") is not None:
        yield "body", errors.InputError("http.two-bodies", "It has json and body.", remedy="Take one of them away.")
    headers = dict(given.get("headers") or {})
    for name in ("url", "check"):
        url = _fixed(given.get(name))
        if url is None:
            continue
        for place, some in ((name, {}), ("headers", headers if name == "url" else {})):
            try:
                door.judge(calls.Call(method="GET", url=url, headers=some))
            except errors.InputError as error:
                yield place, error
                break


def _programs(door: programs.Programs, given: Mapping[str, Any]) -> Found:
    program = given.get("program")
    if not isinstance(program, str) or templates.OPEN in program:
        return
    try:
        door.judge(program)
    except errors.InputError as error:
        if error.error_id != "command.missing":  # it may be installed by the time it is needed; `plan` tells
            yield "program", error


def _fixed(url: object) -> str | None:
    """The URL as far as it is written out, when that is enough to know whom it calls."""
    if not isinstance(url, str):
        return None
    before, filled, _ = url.partition(templates.OPEN)
    return before if not filled or "/" in before.partition("://")[2] else None
