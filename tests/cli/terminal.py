"""The command line as people and scripts meet it: what it said, on which stream, and how it ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from responder import cli


@dataclass(frozen=True, kw_only=True)
class Said:
    """One command's answer."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def complains(self, error_id: str, *words: str) -> None:
        """It was refused: one line on stderr, with its id and these words, and no stack. 2: it is about an option."""
        assert self.out == "", self
        line = self.err.rstrip("\n").splitlines()[-1]
        assert line.startswith("responder: "), self
        assert self.code == (2 if line.startswith("responder: --") else 1), self
        assert line.endswith(f"[{error_id}]"), self
        assert not [word for word in words if word not in line], self
        assert "Traceback" not in self.err, self

    def complains_in_json(self, error_id: str) -> None:
        """The same with `--json`: one object on stdout."""
        assert self.code == (2 if self.json["place"].startswith("--") else 1), self
        assert self.json.keys() == {"error", "message", "remedy", "place"}, self
        assert self.json["error"] == error_id, self
        assert "Traceback" not in self.err, self


Responder = Callable[..., Said]


def in_this_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Responder:
    """`responder ARGUMENTS`, quickly. Not for commands that set the process up (`run`, `serve`)."""

    def call(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["responder", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        out, err = capsys.readouterr()
        return Said(code=code, out=out, err=err)

    return call


def in_a_process(*arguments: object, stdin: str | None = None, **environment: str | None) -> Said:
    """`responder ARGUMENTS`, as a shell would. A variable that is None is not set."""
    known = {name: value for name, value in (os.environ | environment).items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-m", "responder", *map(str, arguments)],
        input=stdin or "",
        capture_output=True,
        text=True,
        env=known,
        timeout=60,
        check=False,
    )
    return Said(code=done.returncode, out=done.stdout, err=done.stderr)


def settings_file(folder: Path, text: str = "", *, name: str = "settings.yaml") -> Path:
    """A settings file whose store lies in the folder."""
    file = folder / name
    file.write_text(f"store: {{path: {folder}/store.db}}\n{text}")
    return file
