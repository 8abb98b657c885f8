"""What the simulator is told in YAML files: read, checked, and refused with the file, the field and the remedy.

Knows no estate and no scenario: each gives its own model.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Generic, TypeVar

import pydantic
import yaml

from responder.core import regions

Model = TypeVar("Model", bound=pydantic.BaseModel)

_HERE = "responder.simulator"
_REMEDIES = {"extra_forbidden": "; remove it or correct the spelling", "missing": "; add it"}


def _region(name: str) -> str:
    region = regions.find(name)
    if region is None:
        raise ValueError(f"'{name}' is not an Azure region; write a programmatic name such as 'eastus2'")
    return region.name


Region = Annotated[str, pydantic.AfterValidator(_region)]
"""A region in any spelling; kept as its programmatic name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[Model]):
    """One kind of description."""

    name: str
    """As errors call it: `estate`."""
    folder: str
    """Where those are that come with the package."""
    model: type[Model]
    error: type[ValueError]
    """What is raised. The message names the file, the field and the remedy."""

    def load(self, path: Path) -> Model:
        """The description in a YAML file."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            why = f"{path}: cannot be read ({said}); give the path of a file with one {self.name}"
            raise self.error(why) from error
        return self.parse(text, source=str(path))

    def load_shipped(self, name: str) -> Model:
        """One that comes with the package. An unknown name is refused with a list of those that do."""
        folder = resources.files(_HERE) / self.folder
        file = folder / f"{name}.yaml"
        if not file.is_file():
            names = sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))
            told = f"no {self.name} '{name}' comes with the simulator; choose one of: {', '.join(names)}"
            raise self.error(told)
        return self.parse(file.read_text(encoding="utf-8"), source=f"{name}.yaml (shipped)")

    def parse(self, text: str, *, source: str) -> Model:
        """The description in a YAML text; `source` is what errors call it."""
        try:
            raw = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError) as error:
            raise self.error(f"{source}: not YAML: {error}") from error
        try:
            return self.model.model_validate(raw)
        except pydantic.ValidationError as error:
            raise self.error("\n".join(complaints(source, error))) from error


def complaints(source: str, error: pydantic.ValidationError) -> list[str]:
    """What is wrong with a description, a line each, with the place and, where there is an obvious one, the remedy."""
    found = []
    for one in error.errors():
        place = ".".join(str(part) for part in one["loc"]) or "(file)"
        message = one["msg"].removeprefix("Value error, ")
        found.append(f"{source}: {place}: {message}{_REMEDIES.get(one['type'], '')}")
    return found
