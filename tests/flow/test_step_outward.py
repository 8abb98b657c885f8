"""`http_request` and `command`: only what is listed, once, and nothing secret is kept."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from responder import settings
from responder import steps as kinds
from responder.core import calls, errors, playbooks, runs
from responder.flow import meaning
from responder.outward import http, programs
from responder.steps import command, doors, http_request
from tests.flow import steps

SECRET = "s3cr3t-of-the-pager"


class Desk:
    """A receiver that answers what it is told to, and notes what it was sent."""

    def __init__(self) -> None:
        self.seen: list[web.Request] = []
        self.bodies: list[str] = []
        self.answers: list[web.Response | None] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        self.bodies.append(await request.text())
        answer = self.answers.pop(0) if self.answers else web.Response(text="thanks")
        if answer is None:  # it hangs up in the middle
            assert request.transport is not None
            request.transport.abort()
            await asyncio.Event().wait()
        assert answer is not None
        return answer


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    found = Desk()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    found.url = f"http://127.0.0.1:{port}"
    yield found
    await runner.cleanup()


class Stage:
    """A context for a step with these settings."""

    def __init__(self, config: settings.Steps) -> None:
        self.config = config
        self.saved: Mapping[str, Any] = {}

    def context(self, kind: str, given: Mapping[str, Any]) -> doors.Context:
        ctx = steps.Stage().context("restore", saved=self.saved)
        step = playbooks.Step(id="tell", kind=kind, settings=given)

        async def save(saved: Mapping[str, Any]) -> None:
            self.saved = saved

        return dataclasses.replace(
            ctx,
            step=meaning.settled(step, kinds.BUILT_IN.declared[kind], None),
            save=save,
            doors=dataclasses.replace(
                ctx.doors, http=http.Http(self.config.http_request), programs=programs.Programs(self.config.command)
            ),
        )

    async def call(self, **given: Any) -> runs.Outcome:
        return await http_request.execute(self.context("http_request", given))

    async def run(self, **given: Any) -> runs.Outcome:
        return await command.execute(self.context("command", given))


@pytest.fixture
def stage(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setenv("PAGER", SECRET)
    found = settings.HttpRequest(
        hosts=("hooks.example",),
        plain_hosts=(desk.url.removeprefix("http://"),),
        secrets={"pager": settings.Secret(env="PAGER")},
    )
    return Stage(settings.Steps(http_request=found))


def output(outcome: runs.Outcome) -> Mapping[str, Any]:
    assert isinstance(outcome, runs.Done), outcome
    return outcome.output


async def test_a_call_is_made_with_its_body_its_headers_and_a_key(stage: Stage, desk: Desk):
    headers = {"Authorization": {"secret": "pager", "before": "Bearer "}, "X-Team": "db"}
    done = await stage.call(url=f"{desk.url}/page", json={"text": "é"}, headers=headers)
    assert output(done) == {"status": 200, "answer": "thanks"}
    (seen,) = desk.seen
    assert (seen.method, seen.path, desk.bodies) == ("POST", "/page", ['{"text": "é"}'])
    assert (seen.headers["Authorization"], seen.headers["X-Team"]) == (f"Bearer {SECRET}", "db")
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.headers["Idempotency-Key"] == "geo-restore.orders.QX3L-7PG@eastus2/tell"


async def test_whose_run_was_taken_over_calls_nobody(stage: Stage, desk: Desk):
    def taken_over() -> None:
        raise ConnectionAbortedError

    ctx = dataclasses.replace(stage.context("http_request", {"url": desk.url}), check=taken_over)
    with pytest.raises(ConnectionAbortedError):
        await http_request.execute(ctx)
    assert desk.seen == []


async def test_a_secret_is_kept_nowhere(stage: Stage, desk: Desk, caplog: pytest.LogCaptureFixture):
    desk.answers = [web.Response(status=400, text=f"what is {SECRET}?")]
    ctx = stage.context("http_request", {"url": desk.url, "headers": {"X-Key": {"secret": "pager"}}})
    failed = await http_request.execute(ctx)
    assert isinstance(failed, runs.Fail)
    assert failed.why == "status 400: what is ***?"
    assert SECRET not in f"{failed}{ctx.step}{ctx.record}{stage.saved}{caplog.text}"


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({"url": "https://elsewhere.example/"}, "steps.http_request.hosts"),
        ({"url": "https://hooks.example:8443/"}, "steps.http_request.hosts"),
        ({"url": "https://hooks.example.evil/"}, "steps.http_request.hosts"),
        ({"url": "https://hooks.example@evil/"}, "header"),
        ({"url": "http://hooks.example/"}, "https"),
        ({"url": "ftp://hooks.example/"}, "Correct"),
        ({"url": "https://hooks.example:x/"}, "Correct"),
        ({"url": "https://hooks.example/", "headers": {"A": {"secret": "none"}}}, "steps.http_request.secrets"),
    ],
    ids=str,
)
async def test_what_is_not_listed_is_not_called(stage: Stage, given: dict[str, Any], remedy: str):
    for ask in (stage.call(**given), _foreseen(stage, given)):
        with pytest.raises(errors.InputError) as refused:
            await ask
        assert remedy in refused.value.remedy
    assert stage.saved == {}


async def _foreseen(stage: Stage, given: Mapping[str, Any]) -> None:
    http_request.foresee(stage.context("http_request", given))


@pytest.mark.parametrize("allowed", [(), ("localhost",)], ids=["not meant", "meant"])
async def test_a_name_that_leads_inside_is_called_only_where_that_is_meant(
    stage: Stage, desk: Desk, allowed: tuple[str, ...]
):
    """Whoever answers for the DNS of a listed host must not send us to this machine, or to its identity endpoint."""
    port = desk.url.rpartition(":")[2]
    found = settings.HttpRequest(plain_hosts=(f"localhost:{port}",), private_hosts=allowed)
    stage.config = settings.Steps(http_request=found)
    asked = {"url": f"http://localhost:{port}/page", "method": "GET"}
    if allowed:
        assert output(await stage.call(**asked))["answer"] == "thanks"
        return
    with pytest.raises(errors.InputError, match=r"not a public address.*private_hosts.*http\.not-allowed"):
        await stage.call(**asked)
    assert (desk.seen, stage.saved) == ([], {}), "nothing left us, and that is known"


@pytest.mark.parametrize("expect", [[202], ["202"]])
async def test_a_status_that_is_expected_means_done_however_it_is_written(
    stage: Stage, desk: Desk, expect: list[int | str]
):
    desk.answers = [web.Response(status=202)]
    assert output(await stage.call(url=f"{desk.url}/page", expect=expect))["status"] == 202


async def test_of_two_bodies_none_is_sent(stage: Stage, desk: Desk):
    with pytest.raises(errors.InputError, match=r"http\.two-bodies"):
        await stage.call(url=f"{desk.url}/page", json={"a": 1}, body="b")
    assert desk.seen == []


async def test_a_redirect_is_an_answer_like_any_other(stage: Stage, desk: Desk):
    desk.answers = [web.Response(status=302, headers={"Location": f"{desk.url}/elsewhere"})]
    failed = await stage.call(url=desk.url)
    assert isinstance(failed, runs.Fail)
    assert len(desk.seen) == 1
    desk.answers = [web.Response(status=302)]
    stage.saved = {}
    assert output(await stage.call(url=desk.url, expect=[302]))["status"] == 302


async def test_a_call_nobody_took_is_made_again(stage: Stage, desk: Desk):
    desk.answers = [web.Response(status=503, headers={"Retry-After": "120"}), web.Response(status=429)]
    first = await stage.call(url=desk.url)
    assert isinstance(first, runs.Retry)
    assert (first.after, first.saved) == (timedelta(seconds=120), {})
    assert isinstance(await Stage(stage.config).call(url=desk.url), runs.Retry)
    with_closed_port = settings.HttpRequest(plain_hosts=("127.0.0.1:1",))
    refused = await Stage(settings.Steps(http_request=with_closed_port)).call(url="http://127.0.0.1:1/")
    assert isinstance(refused, runs.Retry)
    assert refused.saved == {}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("status", [None, 500], ids=["hung up", "failed within"])
async def test_a_call_that_may_have_arrived_is_not_made_again_blindly(
    stage: Stage, desk: Desk, status: int | None, method: str
):
    desk.answers = [web.Response(status=status) if status else None]
    failed = await stage.call(url=desk.url, method=method)
    assert isinstance(failed, runs.Fail)
    assert "nobody knows whether it was taken" in failed.why
    # A crash after it was sent ends the same.
    assert isinstance(await http_request.reconcile(stage.context("http_request", {"url": desk.url})), runs.Fail)
    assert len(desk.seen) == 1


async def test_a_receiver_that_knows_the_key_is_called_again_with_the_same(stage: Stage, desk: Desk):
    desk.answers = [None]
    given = {"url": desk.url, "repeatable": True}
    assert isinstance(await stage.call(**given), runs.Retry)
    assert isinstance(await http_request.reconcile(stage.context("http_request", given)), runs.NotStarted)
    assert output(await stage.call(**given))["status"] == 200
    assert len({seen.headers["Idempotency-Key"] for seen in desk.seen}) == 1


@pytest.mark.parametrize(("status", "calls_"), [(200, 2), (404, 3)])
async def test_whether_it_was_done_is_asked_of_the_check(stage: Stage, desk: Desk, status: int, calls_: int):
    desk.answers = [None, web.Response(status=status)]
    given = {"url": f"{desk.url}/page", "check": f"{desk.url}/paged"}
    assert isinstance(await stage.call(**given), runs.Retry)
    assert output(await stage.call(**given))["status"] == 200
    assert [seen.path for seen in desk.seen] == ["/page", "/paged", "/page"][:calls_]
    assert desk.seen[1].method == "GET"


async def test_a_check_that_cannot_be_asked_is_asked_again(stage: Stage, desk: Desk):
    desk.answers = [None, web.Response(status=500), None]
    given = {"url": f"{desk.url}/page", "check": f"{desk.url}/paged"}
    await stage.call(**given)
    for _ in range(2):
        assert isinstance(await stage.call(**given), runs.Wait)
    assert [seen.path for seen in desk.seen] == ["/page", "/paged", "/paged"]


async def test_only_the_beginning_of_a_long_answer_is_kept(stage: Stage, desk: Desk):
    desk.answers = [web.Response(text="x" * 1_000_000)]
    assert output(await stage.call(url=desk.url))["answer"] == "x" * 2000


# command


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Does what its first argument says."""
    found = tmp_path / "program"
    found.write_text(f"""#!{sys.executable}
import json, os, subprocess, sys, time
what, *rest = sys.argv[1:]
if what == "tell":
    print(json.dumps([rest, dict(os.environ), sys.stdin.read()]))
elif what == "exit":
    print("it ends with", rest[0]); sys.exit(int(rest[0]))
elif what == "much":
    print("a" * 1000000 + "the end")
elif what == "hang":
    child = subprocess.Popen(["/bin/sleep", "600"])
    open(rest[0], "w").write(f"{{os.getpid()}} {{child.pid}}"); time.sleep(600)
elif what == "touch":
    open(rest[0], "a").write("x"); sys.exit(int(rest[1]))
elif what == "there":
    sys.exit(0 if os.path.exists(rest[0]) else 1)
""")
    found.chmod(0o755)
    return found


@pytest.fixture
def machine(program: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setenv("LET_THROUGH", "yes")
    monkeypatch.setenv("OUR_SECRET", SECRET)
    return Stage(settings.Steps(command=settings.Command(programs=(program,), environment=("LET_THROUGH",))))


async def test_a_program_gets_its_arguments_and_a_small_environment(machine: Stage, program: Path):
    import json

    said = output(await machine.run(program=str(program), arguments=["tell", "$HOME; ls", 5]))["said"]
    arguments, environment, given = json.loads(said)
    assert (arguments, given) == (["$HOME; ls", "5"], "")
    assert environment["LET_THROUGH"] == "yes"
    assert environment["RESPONDER_SERVER"].endswith("/orders")
    assert environment["RESPONDER_KEY"] == "geo-restore.orders.QX3L-7PG@eastus2/tell"
    assert SECRET not in said
    assert set(environment) <= {
        "PATH", "LANG", "LC_CTYPE", "LET_THROUGH", "RESPONDER_RUN", "RESPONDER_STEP", "RESPONDER_SERVER",
        "RESPONDER_OUTAGE", "RESPONDER_KEY",
    }  # fmt: skip


async def test_what_was_let_through_to_a_program_is_not_kept_of_what_it_says(
    program: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {"LET_THROUGH": SECRET, "HOME_OF": "/var/lib/jobs", "SHORT": "yes"}.items():
        monkeypatch.setenv(name, value)
    names = ("LET_THROUGH", "HOME_OF", "SHORT")
    machine = Stage(settings.Steps(command=settings.Command(programs=(program,), environment=names)))
    said = output(await machine.run(program=str(program), arguments=["tell"]))["said"]
    assert SECRET not in said
    assert '"LET_THROUGH": "***"' in said
    assert '"HOME_OF": "/var/lib/jobs"' in said
    assert '"SHORT": "yes"' in said


@pytest.mark.parametrize(("timeout", "begun_before", "limit"), [(20, 5, 15), (20, 60, 1), (None, 60, 60), (600, 0, 60)])
def test_a_program_may_run_no_longer_than_its_step(machine: Stage, timeout: int | None, begun_before: int, limit: int):
    ctx = machine.context("command", {"program": "/bin/true"})
    step = dataclasses.replace(ctx.step, timeout=timedelta(seconds=timeout) if timeout else None)
    record = dataclasses.replace(ctx.record, started_at=ctx.now - timedelta(seconds=begun_before))
    assert command.limit(dataclasses.replace(ctx, step=step, record=record)) == timedelta(seconds=limit)


async def test_only_the_end_of_what_it_says_is_kept(machine: Stage, program: Path):
    said = output(await machine.run(program=str(program), arguments=["much"]))["said"]
    assert len(said) == 2000
    assert said.endswith("the end")


async def test_a_program_that_is_not_listed_or_not_there_is_not_run(machine: Stage, tmp_path: Path):
    for path, error in ((Path("/bin/true"), "command.not-allowed"), (tmp_path / "nosuch", "command.missing")):
        if error == "command.missing":
            machine = Stage(settings.Steps(command=settings.Command(programs=(path,))))
        with pytest.raises(errors.InputError) as refused:
            await machine.run(program=str(path))
        assert refused.value.error_id == error
        with pytest.raises(errors.InputError):
            command.foresee(machine.context("command", {"program": str(path)}))


async def test_a_program_whose_time_is_up_is_killed_with_all_it_started(machine: Stage, program: Path, tmp_path: Path):
    import psutil

    failed = await machine.run(program=str(program), arguments=["hang", str(tmp_path / "pids")], limit="6s")
    assert isinstance(failed, runs.Fail)
    assert failed.why.startswith("killed, as its time was up")
    started = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert started
    for pid in started:  # a signal that was sent may take a moment
        with contextlib.suppress(psutil.NoSuchProcess):
            while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110  # the kernel rings no bell
                await asyncio.sleep(0)


async def test_a_program_that_fails_is_run_again_only_when_that_is_declared(machine: Stage, program: Path):
    arguments = ["exit", "3"]
    failed = await machine.run(program=str(program), arguments=arguments)
    assert isinstance(failed, runs.Fail)
    assert failed.why == "exit 3: it ends with 3"
    machine.saved = {}
    assert isinstance(await machine.run(program=str(program), arguments=arguments, repeatable=True), runs.Retry)


async def test_after_a_crash_the_program_itself_says_whether_it_was_done(machine: Stage, program: Path, tmp_path: Path):
    mark = str(tmp_path / "mark")
    given = {"program": str(program), "arguments": ["touch", mark, "0"], "check": ["there", mark]}
    machine.saved = {"begun": True}
    assert isinstance(await command.reconcile(machine.context("command", given)), runs.NotStarted)
    assert output(await machine.run(**given))["code"] == 0
    assert output(await machine.run(**given))["code"] == 0
    assert Path(mark).read_text() == "x"  # noqa: ASYNC240  # a few bytes
    lost = machine.context("command", {"program": str(program), "arguments": ["tell"]})
    assert isinstance(await command.reconcile(lost), runs.Fail)


def test_both_are_switched_off_until_something_is_listed():
    assert set(settings.switched_off(settings.Settings())) == {"http_request", "command"}
    on = settings.Steps(
        http_request=settings.HttpRequest(hosts=("a",)), command=settings.Command(programs=(Path("/bin/true"),))
    )
    assert settings.switched_off(settings.Settings(steps=on)) == {}


def test_a_step_cannot_reach_what_is_not_set_up():
    ctx = steps.Stage().context("restore")
    with pytest.raises(errors.InputError, match="may not ask"):
        ctx.doors.http.judge(calls.Call(method="GET", url="https://a", headers={}))
