"""One daemon per database file: an advisory lock beside it that names its holder. Never waits, never breaks a lock.

The operating system drops the lock when the holder dies, however it dies; the file stays and means nothing by itself.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
from pathlib import Path

from responder import clock
from responder.core import errors
from responder.store import failures


class Lock:
    """A lock that is held until `release`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let go. The file is left: removing it would race with the next holder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def take(path: Path) -> Lock:
    """Take the lock of the database at `path`, or refuse and say who has it."""
    file = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        remedy = "Check that the directory exists and that this user may write there."
        raise failures.unavailable(file, error.strerror or str(error), remedy=remedy) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, _signature().encode(), 0)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 500, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise _taken(path, holder or "a process that is just starting") from error
    except OSError as error:
        os.close(descriptor)
        raise failures.unavailable(file, error.strerror or str(error)) from error
    return Lock(descriptor)


def holder(path: Path) -> str:
    """Who seems to hold the store at `path`, by what the last one wrote; empty: nobody that lives.

    For showing only: it takes no lock, so that it never comes between two daemons.
    """
    file = path.with_name(path.name + ".lock")
    try:
        text = file.read_text(encoding="utf-8", errors="replace").strip()
        inode = file.stat().st_ino
    except OSError:
        return ""
    found = re.match(r"pid (\d+) on (\S+) since ", text)
    if found is None or found[2] != socket.gethostname():
        return text
    return text if _holds(found[1], inode) else ""


def _holds(pid: str, inode: int) -> bool:
    """Whether that process of this machine has the lock: another one may have its number by now.

    https://man7.org/linux/man-pages/man5/proc_locks.5.html
    """
    try:
        lines = [line.split() for line in Path("/proc/locks").read_text(encoding="utf-8").splitlines()]
    except OSError:  # no Linux
        return True
    return any("FLOCK" in words and pid in words and any(w.endswith(f":{inode}") for w in words) for words in lines)


def _signature() -> str:
    return f"pid {os.getpid()} on {socket.gethostname()} since {clock.now().isoformat(timespec='seconds')}\n"


def _taken(path: Path, holder: str) -> errors.StoreError:
    return errors.StoreError(
        "store.locked",
        f"The store is in use by {holder}.",
        remedy="Talk to that daemon over its API, or stop it first.",
        place=str(path),
    )
