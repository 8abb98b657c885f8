"""The processes of the data plane: started as the right user, heard to the end, ended with us however we end.

The only module that starts processes. All of them join the process group that the warden (`warden.py`) leads.

Not `asyncio.subprocess`: a task cancelled while that starts a program can wait for ever
(https://github.com/python/cpython/issues/125502), and all it would add is to collect a child that has ended. Here the
end of a program's output is its end: it comes when the last of its children is gone, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from responder.simulator.data import sites

_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/local/bin:/usr/bin:/bin"}
"""Ours is not passed on: a `PGDATA` or `PGHOST` in it would lead PostgreSQL's programs astray."""
_REMEMBERED = 4000
"""Bytes of a program's output that are kept, the last ones."""
GRACE = timedelta(seconds=10)
"""How long a program may take to end when it is told to. PostgreSQL itself kills its own after 5 seconds."""


class ProcessFailed(RuntimeError):
    """A program ended with an error, or was to be started after the end. The message holds its last words."""


class Program:
    """A started program. Output and errors are one stream, read as it comes: a full pipe would stop the program."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._name = name
        self._process = process
        self._output = process.stdout
        self._said = b""
        self._news = asyncio.Event()
        self._ended = asyncio.Event()
        os.set_blocking(self._output.fileno(), False)
        asyncio.get_running_loop().add_reader(self._output, self._read)

    async def say(self, words: bytes) -> bool:
        """Wait until its output holds `words`; False when it ended before. For one caller at a time."""
        while words not in self._said and not self._ended.is_set():
            self._news.clear()
            await self._news.wait()
        return words in self._said

    async def finish(self) -> None:
        """Wait for its end and that of its children."""
        await self._ended.wait()

    async def end(self, number: signal.Signals) -> None:
        """Send it a signal that ends it, and wait for the end; kill it when that takes too long."""
        if not self._ended.is_set():
            self._process.send_signal(number)
            try:
                async with asyncio.timeout(GRACE.total_seconds()):
                    await self.finish()
            except TimeoutError:
                self._process.kill()
        await self.finish()

    def failure(self) -> ProcessFailed:
        """What to raise when it ended and should not have, or not so."""
        said = self._said.decode(errors="replace").strip()
        return ProcessFailed(f"{self._name} ended with status {self._process.returncode}: {said or 'without a word'}")

    def succeeded(self) -> bool:
        """Whether it has ended with status 0."""
        return self._process.returncode == 0

    def _read(self) -> None:
        data = self._output.read(65536)
        if data:
            self._said = (self._said + data)[-_REMEMBERED:]
        elif data is not None:
            asyncio.get_running_loop().remove_reader(self._output)
            self._output.close()
            self._process.wait()  # it is exiting: everything it had open is closed
            self._ended.set()
        self._news.set()


class Crew:
    """The programs at one site, and the warden that watches over them. Needs a running event loop."""

    def __init__(self, site: sites.Site) -> None:
        """Starts the warden.

        Everybody who is started inherits the writing end of a pipe, whose end tells the warden that all are gone.
        """
        self._site = site
        self._running: set[Program] = set()
        self._open = True
        ended, self._alive = os.pipe()
        warden = Path(__file__).with_name("warden.py")
        self._warden = subprocess.Popen(
            [sys.executable, "-I", "-S", str(warden), str(ended), str(site.home), str(site.root)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            process_group=0,
            pass_fds=[ended],
        )
        os.close(ended)
        self._warden_program = Program("warden", self._warden)

    def start(self, *command: str | Path, text: str = "", environment: dict[str, str] | None = None) -> Program:
        """Start a program whose standard input is `text`, a few kilobytes at most.

        Raises:
            ProcessFailed: it is too late, the crew is closed.
        """
        name = Path(command[0]).name
        if not self._open:
            raise ProcessFailed(f"{name} is not started: the data plane is closed")
        owner = self._site.owner
        identity: dict[str, Any] = {"user": owner.uid, "group": owner.gid, "extra_groups": []} if owner else {}
        process = subprocess.Popen(
            [str(word) for word in command],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._site.home,
            env={**_ENVIRONMENT, "HOME": str(self._site.home), **(environment or {})},
            process_group=self._warden.pid,
            pass_fds=[self._alive],
            umask=0o077,
            **identity,
        )
        program = Program(name, process)
        self._running.add(program)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as stdin:  # it may not care to read
            stdin.write(text.encode())
        return program

    async def run(self, *command: str | Path, text: str = "", environment: dict[str, str] | None = None) -> None:
        """Run a program to its end. Cancelled, it kills the program and waits for it.

        Raises:
            ProcessFailed: its exit status was not 0.
        """
        program = self.start(*command, text=text, environment=environment)
        try:
            await program.finish()
        finally:
            await self.end(program, signal.SIGKILL)
        if not program.succeeded():
            raise program.failure()

    async def end(self, program: Program, number: signal.Signals) -> None:
        """End a program if it still runs, by a signal."""
        await program.end(number)
        self._running.discard(program)

    async def close(self) -> None:
        """End whatever still runs, then dismiss the warden. Further starts are refused."""
        if not self._open:
            return
        self._open = False
        await asyncio.gather(*(self.end(program, signal.SIGQUIT) for program in list(self._running)))
        os.close(self._alive)
        assert self._warden.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._warden.stdin as stdin:
            stdin.write(b".")
        await self._warden_program.finish()
