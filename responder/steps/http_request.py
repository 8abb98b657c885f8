"""`http_request`: one HTTP call to a host that the settings list.

Its effect happens once: after a crash, or when no answer came, it is not made again blindly. The same idempotency key
goes with every try, so a receiver that knows the header may be called again (`repeatable: true`); of another, `check`
says whether it was done. With neither, a human has to look.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from responder.core import calls, errors, plans, playbooks, runs
from responder.steps import doors

EFFECT = "once"
ABOUT = "Calls another system over HTTP; its host must be listed in the settings."
_T = playbooks.Type
SETTINGS = (
    playbooks.Setting(name="url", required=True, about="where to; https, unless the settings allow http for the host"),
    playbooks.Setting(
        name="method",
        type=_T.CHOICE,
        choices=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        default="POST",
        about="how",
    ),
    playbooks.Setting(
        name="headers",
        type=_T.MAP,
        about="name: value; a secret of the settings is {secret: NAME}, or {secret: NAME, before: 'Bearer '}",
    ),
    playbooks.Setting(name="json", type=_T.ANY, about="the body, sent as JSON"),
    playbooks.Setting(name="body", about="the body, sent as it is; not together with json"),
    playbooks.Setting(name="expect", type=_T.LIST, about="statuses that mean it is done; 200 to 299 when left out"),
    playbooks.Setting(
        name="repeatable",
        type=_T.FLAG,
        default=False,
        about="the receiver does it once for one Idempotency-Key, so it may be called again when no answer came",
    ),
    playbooks.Setting(name="check", about="a URL to GET when it is unknown whether it was done: 200 yes, 404 no"),
)
OUTPUTS = (
    playbooks.Output(name="status", type=_T.NUMBER, about="the answer's status"),
    playbooks.Output(name="answer", about="the beginning of the answer"),
)

_LOOK_AGAIN = timedelta(minutes=1)
_LOOK = "it was sent, and nobody knows whether it was taken: look there"


def foresee(ctx: doors.Context) -> list[plans.Touch]:
    """The call it would make.

    Raises:
        InputError: the call may not be made.
    """
    call = _call(ctx.step.settings, ctx)
    if "${{" not in call.url:
        ctx.doors.http.judge(call)
    verb = "reads" if call.method in ("GET", "HEAD") else "calls"
    return [plans.Touch(verb=verb, what=call.url, detail=f"({call.method})")]


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Call, unless an earlier try may have arrived: then look first."""
    if ctx.record.saved.get("sent") and not _may_repeat(ctx):
        found = await reconcile(ctx)
        if not isinstance(found, runs.NotStarted):
            return found
    call = _call(ctx.step.settings, ctx)
    ctx.doors.http.judge(call)
    await ctx.save({"sent": True})
    ctx.check()
    try:
        answer = await ctx.doors.http.send(call)
    except errors.InputError:  # it may not be made after all: nothing left us
        await ctx.save({})
        raise
    except calls.NotSent as error:
        return runs.Retry(after=ctx.doors.rules.poll, why=f"nobody was reached: {error}", saved={})
    except calls.Unanswered as error:
        return _unknown(ctx, f"no answer came: {error}")
    return _judged(ctx, answer)


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """Was it done? Asked of `check`; a call that may be repeated need not be asked after."""
    if _may_repeat(ctx) or not ctx.record.saved.get("sent"):
        return runs.NotStarted()
    check = ctx.step.settings.get("check")
    if not check:
        return runs.Fail(why=_LOOK)
    call = _call({**ctx.step.settings, "method": "GET", "url": check, "json": None, "body": None}, ctx)
    try:
        answer = await ctx.doors.http.send(call)
    except (calls.NotSent, calls.Unanswered) as error:
        return runs.Wait(until=ctx.now + _LOOK_AGAIN, topic=f"an answer of the check ({error})")
    if answer.status == 404:
        return runs.NotStarted()
    if answer.status == 200:
        return runs.Done(output={"status": answer.status, "answer": answer.body})
    return runs.Wait(until=ctx.now + _LOOK_AGAIN, topic=f"an answer of the check (status {answer.status})")


def _may_repeat(ctx: doors.Context) -> bool:
    return bool(ctx.step.settings.get("repeatable")) or ctx.step.settings.get("method") in ("GET", "HEAD")


def _judged(ctx: doors.Context, answer: calls.Answer) -> runs.Outcome:
    expected = {str(each) for each in ctx.step.settings.get("expect") or range(200, 300)}
    if str(answer.status) in expected:
        return runs.Done(output={"status": answer.status, "answer": answer.body})
    why = f"status {answer.status}: {answer.body[:300]}"
    if 300 <= answer.status < 400:
        why = f"status {answer.status}: it sends us elsewhere, and we follow nobody; write the URL it leads to"
    # 429 and 503 with Retry-After say that it was not taken; any other 5xx may have been.
    refused = answer.status == 429 or (answer.status == 503 and answer.retry_after is not None)
    if refused or (answer.status >= 500 and _may_repeat(ctx)):
        asked = answer.retry_after or ""
        seconds = int(asked) if asked.isdigit() else 0
        after = max(ctx.doors.rules.poll, timedelta(seconds=min(seconds, 3600)))
        return runs.Retry(after=after, why=why, saved={} if refused else None)
    return _unknown(ctx, why) if answer.status >= 500 else runs.Fail(why=why)


def _unknown(ctx: doors.Context, why: str) -> runs.Outcome:
    """It may have been taken: look before it is sent again, where there is a way to."""
    if _may_repeat(ctx) or ctx.step.settings.get("check"):
        return runs.Retry(after=ctx.doors.rules.poll, why=why)
    return runs.Fail(why=f"{why}; {_LOOK}")


def _call(settings: Mapping[str, Any], ctx: doors.Context) -> calls.Call:
    headers: dict[str, Any] = {"User-Agent": "responder"}
    body = settings.get("body")
    if body is not None and settings.get("json") is not None:
        raise errors.InputError("http.two-bodies", "It has json and body.", remedy="Take one of them away.")
    if settings.get("json") is not None:
        headers["Content-Type"], body = "application/json", json.dumps(settings["json"], ensure_ascii=False)
    headers |= {
        str(name): value if isinstance(value, Mapping) else str(value)
        for name, value in (settings.get("headers") or {}).items()
    }
    headers["Idempotency-Key"] = f"{ctx.run.id}/{ctx.step.id}"
    return calls.Call(
        method=str(settings.get("method", "POST")),
        url=str(settings["url"]),
        headers=headers,
        body=str(body).encode() if body is not None else None,
    )
