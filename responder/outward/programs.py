"""One program that the settings list: no shell, no input, a small environment, a time limit, little of what it says.

It runs as the service's user, in a process group of its own that is killed whole when its time is up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from responder import settings
from responder.core import calls, errors

_KEPT = 2000
"""Characters of what it says that are kept: the end, where the error is."""
_READ = 64 * 1024
"""Bytes held while it runs; older ones are dropped."""


_SECRET = 6
"""Characters that a secret has at least."""


class Programs:
    """Runs programs within the limits of the settings."""

    def __init__(self, config: settings.Command) -> None:
        self._config = config

    def judge(self, program: str) -> None:
        """Whether the program may be run.

        Raises:
            InputError: it is not listed, or it is not there.
        """
        if Path(program) not in self._config.programs:
            remedy = "List it in steps.command.programs of the settings."
            raise errors.InputError("command.not-allowed", f"{program} may not be run.", remedy=remedy)
        if not os.access(program, os.X_OK):
            remedy = "Install it, executable for the service's user."
            raise errors.InputError("command.missing", f"{program} is not there to be run.", remedy=remedy)

    async def run(
        self, program: str, arguments: Sequence[str], variables: Mapping[str, str], limit: timedelta
    ) -> calls.Ended:
        """Run it to its end.

        Args:
            variables: seen by the program besides what the settings let through.

        Raises:
            InputError: it may not be run, or cannot be started.
        """
        self.judge(program)
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment(variables),
                cwd="/",
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: a null character in an argument
            raise errors.InputError(
                "command.not-started", f"{program} cannot be started: {error}.", remedy="Try it as the service's user."
            ) from error
        assert process.stdout is not None
        said = bytearray()
        try:
            async with asyncio.timeout(limit.total_seconds()):
                await _drain(process.stdout, said)
                code: int | None = await process.wait()
        except TimeoutError:
            code = None
        finally:
            await _end(process)
        return calls.Ended(code=code, said=self._blotted(said.decode("utf-8", "replace")).strip()[-_KEPT:])

    def _blotted(self, text: str) -> str:
        """Without the values of the variables that were let through: most are let through to log in with. What is a
        path, or too short to be a secret, stays readable."""
        values = {os.environ.get(name, "") for name in self._config.environment}
        return calls.blotted(text, {one for one in values if len(one) >= _SECRET and not one.startswith("/")})

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        let_through = {name: os.environ[name] for name in self._config.environment if name in os.environ}
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **let_through, **variables}


async def _drain(stream: asyncio.StreamReader, said: bytearray) -> None:
    while chunk := await stream.read(8192):
        said += chunk
        del said[:-_READ]


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing it started stays behind, whether it ended, was too slow, or we are being stopped."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.shield(process.wait())
