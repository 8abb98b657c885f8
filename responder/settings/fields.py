"""What sections are made of: strict parts, durations, regions, and secrets that are named, never written.

Knows no section.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import pydantic

from responder.core import durations, errors, regions


def _duration(value: Any, longest: timedelta = timedelta(days=366)) -> Any:
    if not isinstance(value, str):
        raise ValueError("write a duration with its unit, like 15m, 4h or PT4H")
    try:
        return durations.parse(value, longest=longest)
    except errors.InputError as error:
        raise ValueError(f"{error.message} {error.remedy}") from error


Duration = Annotated[timedelta, pydantic.BeforeValidator(_duration)]
Years = Annotated[timedelta, pydantic.BeforeValidator(lambda value: _duration(value, timedelta(days=36_525)))]
"""A duration that may be longer than a year: what is kept for auditors."""


def _region(name: str) -> str:
    known = regions.find(name)
    if known is None:
        raise ValueError(f"{name!r} is no Azure region; write it like eastus2")
    return known.name


Region = Annotated[str, pydantic.AfterValidator(_region)]
ZoneName = Annotated[str, pydantic.AfterValidator(lambda name: name.rstrip(".").lower())]


class Part(pydantic.BaseModel):
    """Base of every section: frozen, and strict about names."""

    # Not `use_attribute_docstrings`: only people read them, and pydantic would read every source file again at a start.
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", validate_default=False, hide_input_in_errors=True)


class Secret(Part):
    """Where a secret lies. Exactly one of the three."""

    env: str | None = None
    """Name of an environment variable whose value, without surrounding blanks, is the secret. None: not there. Other
    processes of the same user can read it."""
    file: Path | None = None
    """Path of a file whose content, without surrounding blanks, is the secret. None: not there."""
    credential: str | None = pydantic.Field(default=None, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$")
    """Name of a file in `$CREDENTIALS_DIRECTORY`, where systemd puts what a unit loads (`LoadCredential=`); read like
    `file`. None: not there. Only the service itself has that folder, no command beside it.
    https://systemd.io/CREDENTIALS/"""

    @pydantic.model_validator(mode="after")
    def _one(self) -> Secret:
        if [self.env, self.file, self.credential].count(None) != 2:
            raise ValueError("give one of `env`, `file` and `credential`")
        return self

    def reveal(self) -> str:
        """The secret itself.

        Raises:
            InputError: `settings.secret-missing`. The variable is not set, or the file cannot be read or is empty. The
                message names it, never its content.
        """
        if self.env is not None:
            return _of_variable(self.env)
        if self.credential is not None:
            return _of_file(_credentials(self.credential) / self.credential)
        assert self.file is not None
        return _of_file(self.file)


def _of_variable(name: str) -> str:
    value = os.environ.get(name, "").strip()  # of a file with Windows' line ends, each value has one at its end
    if value and value == value.encode(errors="replace").decode():
        return value
    raise errors.InputError(
        "settings.secret-missing",
        f"Environment variable {name} is {'not UTF-8 text' if value else 'empty or not set'}.",
        remedy="Set it for the service, or name another in the settings.",
    )


def _of_file(path: Path) -> str:
    try:
        value = path.read_text(encoding="utf-8").strip()
        why = "" if value else "it is empty"  # an empty token would let everybody in
    except OSError as error:
        value, why = "", error.strerror or type(error).__name__
    except UnicodeDecodeError:
        value, why = "", "it is not UTF-8 text"
    if why:
        raise errors.InputError(
            "settings.secret-missing",
            f"The secret file cannot be used: {why}.",
            remedy="Create it, readable for the service's user only.",
            place=str(path),
        )
    return value


def _credentials(name: str) -> Path:
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if folder:
        return Path(folder)
    raise errors.InputError(
        "settings.secret-missing",
        f"Credential {name} cannot be read: CREDENTIALS_DIRECTORY is not set.",
        remedy="Start the service by systemd, with LoadCredential= in its unit, or name a `file` in the settings.",
    )
