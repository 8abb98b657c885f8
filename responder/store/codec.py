"""Values of the core as text, and back. Knows no SQL and no table.

What is typed `Any` comes back as JSON has it: a time inside a step's `saved` or `output` returns as text, a tuple as
a list.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar, overload

import pydantic
import pydantic_core

from responder.core import errors

T = TypeVar("T")

MAPPING = dict[str, Any]
"""Kind of parameters and payloads."""


def dump(value: T, kind: type[T]) -> str:
    """The value as JSON: durations in ISO 8601, times with their offset."""
    adapter = _adapter(kind)
    try:
        return adapter.dump_json(value).decode()
    except pydantic_core.PydanticSerializationError:
        # Pydantic's own writer, three times as fast, refuses a lone surrogate, which JSON may carry to us.
        plain = adapter.dump_python(value, mode="json")
        return clean(json.dumps(plain, ensure_ascii=False, separators=(",", ":")))


def load(text: str, kind: type[T]) -> T:
    """The value again.

    Raises:
        StoreError: `store.unreadable`, when another version of the code wrote it in a shape this one does not know.
    """
    try:
        return _adapter(kind).validate_json(text)
    except pydantic.ValidationError as error:
        what = f"A stored {kind.__name__} cannot be read by this version of responder."
        raise errors.StoreError("store.unreadable", what, remedy="Run the version that wrote it.") from error


def clean(text: str) -> str:
    """The text with what not every database can hold (lone surrogates, NUL) replaced by a question mark."""
    if "\0" in text:
        text = text.replace("\0", "?")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def listed(items: Iterable[str]) -> str:
    """Texts as one JSON array, for `json_each`: a list of any length is one parameter."""
    return json.dumps([clean(item) for item in items])


@overload
def stamp(at: datetime) -> str: ...
@overload
def stamp(at: None) -> None: ...
@overload
def stamp(at: datetime | None) -> str | None: ...
def stamp(at: datetime | None) -> str | None:
    """A time as text whose alphabetic order is the order of time: UTC, microseconds, one width."""
    if at is None:
        return None
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no offset; times are aware, in UTC")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def moment(text: str) -> datetime:
    """The time again."""
    return datetime.fromisoformat(text)


def moment_or_none(text: str | None) -> datetime | None:
    """The time again, where there may be none."""
    return None if text is None else moment(text)


_adapters: dict[Any, pydantic.TypeAdapter[Any]] = {}


def _adapter(kind: type[T]) -> pydantic.TypeAdapter[T]:
    if kind not in _adapters:  # made when first needed: all of them would cost every command line a tenth of a second
        _resolve(kind)
        _adapters[kind] = pydantic.TypeAdapter(kind)
    return _adapters[kind]


def _resolve(kind: Any) -> None:
    """Replace the textual annotations of a dataclass, and of those inside it, by the types they mean.

    Pydantic would look names up in the class before the module, where a field called `services` hides the module
    `services`. `get_type_hints` looks into the module first.
    """
    for part in typing.get_args(kind):
        _resolve(part)
    if not dataclasses.is_dataclass(kind) or not any(isinstance(f.type, str) for f in dataclasses.fields(kind)):
        return
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        field.type = hints[field.name]
    for field in dataclasses.fields(kind):  # only now: a kind may hold another of its own
        _resolve(field.type)
