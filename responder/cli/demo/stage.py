"""The demo's processes: the local Azure and the daemon. Whatever happens, none of them and no file is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import aiohttp

from responder import clock, settings
from responder.cli import beside
from responder.core import errors

_START = 60.0  # seconds; a loaded machine needs a while to bring two PostgreSQL servers up
_STOP = 10.0  # seconds of grace before a process is killed


class Stage:
    """Two processes, their addresses, and one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env: dict[str, str] = {}
        self.port = beside.free_port()
        self.kills = 0
        self._begun_at = clock.now()
        self._up_at: datetime | None = None
        self._token = secrets.token_urlsafe(16)
        self._webhook_secret = secrets.token_urlsafe(16)
        self._cloud: asyncio.subprocess.Process | None = None
        self._daemon: asyncio.subprocess.Process | None = None

    @property
    def config(self) -> Path:
        """The daemon's settings file."""
        return self.folder / "settings.yaml"

    @property
    def log(self) -> Path:
        """What the daemon logged."""
        return self.folder / "daemon.log"

    @property
    def console(self) -> str:
        """Where the console is, and how to get in. The token is of this demo alone, and ends with it."""
        return f"http://127.0.0.1:{self.port}/ (log in with {self._token})"

    def settings(self) -> settings.Settings:
        """The daemon's settings, as it reads them."""
        return settings.load(self.config)

    async def start_cloud(self) -> None:
        """Start the local Azure and wait until it is ready."""
        env_file = self.folder / "cloud.env"
        hook = f"http://127.0.0.1:{self.port}/webhooks/azure-monitor?code={self._webhook_secret}"
        self._cloud = await self._spawn(
            "cloud", "simulate", "--estate", "demo", "--scenario", "demo", "--webhook", hook,
            "--env-file", str(env_file), "--data-dir", str(self.folder / "cloud"),
        )  # fmt: skip
        await self._until(env_file.exists, self._cloud, "the local Azure")
        self.env = dict(line.split("=", 1) for line in env_file.read_text(encoding="utf-8").splitlines() if "=" in line)
        beside.write(self.config, self.env, self._words())

    async def start_daemon(self) -> None:
        """Start the daemon; it is ready when `ready` says so."""
        self._begun_at, self._up_at = clock.now(), None
        self._daemon = await self._spawn("daemon", "serve", "--config", str(self.config))

    async def kill_daemon(self) -> None:
        """kill -9, and start it again."""
        assert self._daemon is not None
        with contextlib.suppress(ProcessLookupError):
            self._daemon.kill()
        await self._daemon.wait()
        self.kills += 1
        await self.start_daemon()

    async def has_lived(self) -> bool:
        """Whether the daemon has been up for as long as its start took: on a slow machine, too, it gets to do something
        between two kills."""
        now = clock.now()
        if self._up_at is None and await self._answers():
            self._up_at = now
        return self._up_at is not None and now - self._up_at >= self._up_at - self._begun_at

    async def _answers(self) -> bool:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session,
                session.get(f"http://127.0.0.1:{self.port}/healthz") as answer,
            ):
                return answer.status == 200
        return False

    async def wait_ready(self) -> None:
        """Wait until the daemon knows the estate and hears the hub."""
        assert self._daemon is not None
        async with aiohttp.ClientSession() as session, asyncio.timeout(_START):
            while True:
                self._alive(self._daemon, "the daemon")
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    async with session.get(f"http://127.0.0.1:{self.port}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.1)

    def check_alive(self) -> None:
        """Raises when one of the processes has ended by itself."""
        for process, name in ((self._cloud, "the local Azure"), (self._daemon, "the daemon")):
            if process is not None:
                self._alive(process, name)

    async def stop(self) -> None:
        """End both, the daemon first, and wait for them."""
        for process in (self._daemon, self._cloud):
            if process is None or process.returncode is not None:
                continue
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(_STOP):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    def _words(self) -> beside.Words:
        return beside.Words(
            store=self.folder / "responder.sqlite3",
            port=self.port,
            token="{env: DEMO_TOKEN}",  # noqa: S106 - its name
            webhook_secret="{env: DEMO_WEBHOOK_SECRET}",  # noqa: S106
            channels="[{kind: log}, {kind: webhook, url: {env: DEMO_INBOX}}]",
        )

    async def _spawn(self, name: str, *arguments: str) -> asyncio.subprocess.Process:
        secrets_ = {
            "DEMO_INBOX": self.env.get("SIM_CONTROL", "") + "/inbox",
            "DEMO_TOKEN": self._token,
            "DEMO_WEBHOOK_SECRET": self._webhook_secret,
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            # A session of its own: Ctrl-C reaches this process only, which then ends the others in order.
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "responder", *arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.env, **secrets_}, start_new_session=True,
            )  # fmt: skip

    async def _until(self, holds: object, process: asyncio.subprocess.Process, name: str) -> None:
        assert callable(holds)
        async with asyncio.timeout(_START):
            while not holds():
                self._alive(process, name)
                await asyncio.sleep(0.05)

    def _alive(self, process: asyncio.subprocess.Process, name: str) -> None:
        if process.returncode is None:
            return
        tail = "\n".join(line for file in ("cloud.log", "daemon.log") for line in _tail(self.folder / file, 12))
        raise errors.RefusedError(
            "demo.process-ended", f"{name} ended with exit code {process.returncode}.", remedy=f"Its log ends:\n{tail}"
        )


@contextlib.asynccontextmanager
async def standing() -> AsyncIterator[Stage]:
    """A stage; when it is left, by whatever way, its processes are gone and its folder, too."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory(prefix="responder-demo-", ignore_cleanup_errors=True) as folder:
        stage = Stage(Path(folder))
        try:
            yield stage
        finally:
            # An impatient second Ctrl-C would leave the processes behind; ending them takes a second or two.
            impatient = signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                await asyncio.shield(stage.stop())
            finally:
                signal.signal(signal.SIGINT, impatient)


def _tail(path: Path, lines: int) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:] if path.exists() else []
