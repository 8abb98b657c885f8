"""The process that outlives us: kills PostgreSQL and removes its files when the simulator dies without saying goodbye.

Run as a script, `python -I -S warden.py DESCRIPTOR DIRECTORY...`, leading a process group of its own that every process
of the data plane joins. It waits on its standard input, a pipe that only the simulator holds open:

- a byte arrives: the simulator has cleaned up after itself, and the warden leaves;
- the pipe ends: the simulator is gone, by whatever signal. The group is told to quit, then killed; the directories go.

`DESCRIPTOR` is the reading end of another pipe, whose writing end every process of the group has inherited: its end
means that none is left (the group itself goes on to count processes that are dead and not yet collected).

Pipes and a process group, because they work on Linux and on macOS, cover a process from before its first instruction,
and cannot hit a stranger whose process id was used before. May import nothing but the standard library.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys

GRACE_SECONDS = 5.0
"""How long PostgreSQL may take to quit at once (SIGQUIT) before it is killed. It needs milliseconds."""


def main(descriptor: int, directories: list[str]) -> None:
    """Wait for the simulator's end; clean up after it if it could not."""
    group = os.getpgrp()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    if os.read(0, 1):
        return
    if os.fork():  # the group's leader cannot leave it, and would be killed with it; its child can
        return
    os.setsid()
    for number in (signal.SIGQUIT, signal.SIGKILL):
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):  # nobody there, or (macOS) nobody but the dead
            break
        if select.select([descriptor], [], [], GRACE_SECONDS)[0]:
            break
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
