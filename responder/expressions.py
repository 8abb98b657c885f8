"""Expressions in playbooks: CEL, the Common Expression Language (https://cel.dev), by its authors' own runtime.

CEL reads nothing, writes nothing, cannot loop for ever, and is type-checked before it is evaluated. What the runtime
does not know is which of our names may be null: a name is checked by its declared type and evaluated as what it is.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from cel_expr_python import cel

from responder.core import playbooks
from responder.core.playbooks import templates

_LONGEST = 2000
"""Characters of one expression. More is a program, and programs are step kinds."""

_T = cel.Type
# Wrappers: values of these types may be null, and comparing with null is no mistake.
_TYPES = {
    playbooks.Type.TEXT: _T("google.protobuf.StringValue"),
    playbooks.Type.CHOICE: _T("google.protobuf.StringValue"),
    playbooks.Type.NUMBER: _T("google.protobuf.DoubleValue"),
    playbooks.Type.FLAG: _T("google.protobuf.BoolValue"),
    playbooks.Type.DURATION: _T.DURATION,
    playbooks.Type.TIME: _T.TIMESTAMP,
    playbooks.Type.LIST: _T.List(_T.DYN),
    playbooks.Type.MAP: _T.Map(_T.STRING, _T.DYN),
    playbooks.Type.ANY: _T.DYN,
}
_FITS = {
    playbooks.Type.TEXT: {"STRING", "NULL_TYPE", "DYN"},
    playbooks.Type.CHOICE: {"STRING", "NULL_TYPE", "DYN"},
    playbooks.Type.NUMBER: {"DOUBLE", "INT", "UINT", "NULL_TYPE", "DYN"},
    playbooks.Type.FLAG: {"BOOL", "NULL_TYPE", "DYN"},
    playbooks.Type.DURATION: {"DURATION", "NULL_TYPE", "DYN"},
    playbooks.Type.TIME: {"TIMESTAMP", "NULL_TYPE", "DYN"},
}
_LOOSE = {"duration": _T.DURATION, "time": _T.TIMESTAMP}
_ERROR = re.compile(r"^(?:INVALID_ARGUMENT: )?ERROR: <input>:(-?\d+):(-?\d+): (.*)$")
_UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")
_NO_OVERLOAD = re.compile(r"found no matching overload for '([^']+)' applied to '\((.*)\)'")
_LITERAL = r"""\(\s*(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*\)"""
_WRITTEN = re.compile(rf"(?P<call>\b(?:duration|timestamp){_LITERAL})|\.(?P<matches>matches{_LITERAL})")
_LIKE = {
    "duration": 'Write it like duration("1h30m")',
    "timestamp": 'Write it like timestamp("2026-11-22T10:00:00Z")',
    "matches": "Its pattern cannot be read",
}
_SPOKEN = (_T.STRING, _T.INT, _T.UINT, _T.DOUBLE, _T.BOOL, _T.DURATION, _T.TIMESTAMP, _T.NULL, _T.LIST)


def _text(value: Any, unknown: str = "not known") -> str:
    return templates.said(value, unknown)


def _name_of(id_: str) -> str:
    return id_.rpartition("/")[2]


@functools.cache
def _functions() -> list[Any]:
    """`text(x)`, `text(x, "what to say when it is null")`, and `name_of(id)`, the last part of an ARM id."""
    overloads = []
    for i, type_ in enumerate(_SPOKEN):
        overloads.append(cel.Overload(f"text_{i}", _T.STRING, [type_], False, _text))
        overloads.append(cel.Overload(f"text_or_{i}", _T.STRING, [type_, _T.STRING], False, _text))
    last = cel.Overload("name_of_string", _T.STRING, [_T.STRING], False, _name_of)
    return [cel.FunctionDecl("text", overloads), cel.FunctionDecl("name_of", [last])]


class Cel:
    """The port `playbooks.Expressions`."""

    def check(
        self, source: str, names: Mapping[str, playbooks.Type], wants: playbooks.Type | None
    ) -> tuple[playbooks.Complaint, ...]:
        """What is wrong with an expression; nothing is evaluated."""
        if len(source) > _LONGEST:
            text = f"The expression has {len(source)} characters, and {_LONGEST} are allowed"
            return (playbooks.Complaint(message=text, line=1, column=1),)
        typed = _environment(tuple(sorted(names.items())))
        try:
            found = typed.compile(source).return_type().name()
        except (RuntimeError, TypeError, ValueError) as error:
            told = list(_complaints(str(error), source))
            mixes = any(_mixes_numbers(each) for each in told)  # and then whatever is around it is called an error, too
            wrong = [e for e in told if not _mixes_numbers(e) and not (mixes and "*error*" in e.message)]
            if wrong:
                return tuple(wrong)
            # Only whole and broken numbers are mixed (`server.storage_gb > 100`), which evaluation takes.
            try:
                found = _loose(frozenset((name, "") for name in names)).compile(source).return_type().name()
            except (RuntimeError, TypeError, ValueError) as other:
                return tuple(_complaints(str(other), source))
        return (*self._misspelt(source), *_of_type(_plain_name(found), wants))

    def _misspelt(self, source: str) -> Iterator[playbooks.Complaint]:
        """Spans, moments and patterns that are written out and are none: at run time they could not be told."""
        for match in _WRITTEN.finditer(source):
            call = match["call"] or f'"".{match["matches"]}'
            try:
                self.evaluate(call, {})
            except playbooks.Unknown:
                kind = "matches" if match["matches"] else match["call"].partition("(")[0]
                before = source[: match.start()]
                column = match.start() - (before.rfind("\n") + 1) + 1
                text = f"{match[0].lstrip('.')} is none. {_LIKE[kind]}"
                yield playbooks.Complaint(message=text, line=before.count("\n") + 1, column=column)

    def evaluate(self, source: str, values: Mapping[str, Any]) -> Any:
        """The value of an expression that was checked.

        Raises:
            Unknown: something in it is null where a value is needed, a key is missing, or a sum is too large.
        """
        try:
            squeezed = "".join(source.split())
            used = {name: value for name, value in values.items() if name in squeezed}
            found = _program(frozenset((name, _kind(value)) for name, value in used.items()), source).eval(data=used)
            if found.type() == _T.ERROR:
                raise playbooks.Unknown(_reason(str(found.value())))
            return _ours(found.plain_value())
        except (RuntimeError, TypeError, ValueError) as error:
            raise playbooks.Unknown(_reason(str(error))) from error


@functools.lru_cache(maxsize=2)  # each holds 0.2 MB, and the expressions of one step come one after the other
def _environment(names: tuple[tuple[str, playbooks.Type], ...]) -> Any:
    return cel.NewEnv(variables={name: _TYPES[type_] for name, type_ in names}, functions=_functions())


@functools.lru_cache(maxsize=64)
def _loose(names: frozenset[tuple[str, str]]) -> Any:
    variables = {name: _LOOSE.get(kind, _T.DYN) for name, kind in names}
    return cel.NewEnv(variables=variables, functions=_functions())


@functools.lru_cache(maxsize=1024)
def _program(names: frozenset[tuple[str, str]], source: str) -> Any:
    return _loose(names).compile(source)


def _kind(value: Any) -> str:
    """What the runtime must be told of a value beforehand; everything else it sees for itself."""
    return "duration" if isinstance(value, timedelta) else "time" if isinstance(value, datetime) else ""


def _complaints(said: str, source: str) -> Iterator[playbooks.Complaint]:
    """The runtime's errors, each `ERROR: <input>:LINE:COLUMN: text` with a picture below it."""
    lines = [match for match in (_ERROR.match(line) for line in said.splitlines()) if match]
    if not lines:
        yield playbooks.Complaint(message=_reason(said) or "It cannot be read", line=1, column=1)
    for match in lines:
        line, column, message = max(int(match[1]), 1), max(int(match[2]), 1), match[3]
        undeclared = _UNDECLARED.search(message)
        name = undeclared[1] if undeclared else None
        if name is not None and f"{name}(" in source.replace(" ", ""):
            yield playbooks.Complaint(message=f"There is no function {name}()", line=line, column=column)
            continue
        if name is not None:  # the runtime points at the last dot
            column = max(column - len(name.rpartition(".")[0]), 1)
        yield playbooks.Complaint(message=_said(message), line=line, column=column, name=name)


def _said(message: str) -> str:
    """An error of the runtime in words a person can use."""
    if "cannot be the operand of a select operation" in message:
        return "What stands before the last dot has no fields"
    match = _NO_OVERLOAD.search(message)
    if match is None:
        return _reason(message.partition(" expecting {")[0])
    operator = match[1].strip("_").replace("_", " ").replace("@", "").replace("?   :", "? :")
    types = re.sub(r"wrapper\((\w+)\)", r"\1", match[2]).replace("string", "text").replace("bool", "flag")
    types = re.sub(r"\b(double|int|uint)\b", "number", types).replace("google.protobuf.", "").lower()
    hint = "; write whole numbers like 1.0 here" if re.fullmatch(r"number, number", types) else ""
    return f"`{operator}` does not go with ({types}){hint}"


def _mixes_numbers(complaint: playbooks.Complaint) -> bool:
    """`server.storage_gb > 100`: evaluation compares whole and broken numbers, though it does not add them."""
    return re.fullmatch(r"`(<|<=|>|>=|==|!=|in)` does not go with \(number, number\).*", complaint.message) is not None


_OURS = {"STRING": "text", "BOOL": "flag", "INT": "number", "DOUBLE": "number", "TIMESTAMP": "time"}
"""The runtime's types as playbooks call them."""


def _plain_name(name: str) -> str:
    """`BOOL` of `wrapper(bool)`, `bool_wrapper` and `BOOL`."""
    return re.sub(r"^WRAPPER\((.*)\)$|^(.*)_WRAPPER$", lambda m: m[1] or m[2], name.upper())


def _of_type(found: str, wants: playbooks.Type | None) -> Iterable[playbooks.Complaint]:
    allowed = _FITS.get(wants) if wants is not None else None
    if allowed is not None and found not in allowed:
        text = f"It comes to a {_OURS.get(found, found.lower())}, and a {wants} is needed"
        yield playbooks.Complaint(message=text, line=1, column=1)


def _reason(message: str) -> str:
    """A message of the runtime without its code and its list of tokens."""
    text = re.sub(r"^[A-Z_]+: ", "", message.strip().splitlines()[0] if message.strip() else "")
    return re.sub(r"\s*\[[A-Z_]+\]$", "", text).rstrip(".")


def _ours(value: Any) -> Any:
    """A value of the runtime as Python has it. Times come back aware, durations as timedelta."""
    match value:
        case bool() | int() | float() | str() | datetime() | timedelta() | None:
            return value
        case bytearray() | bytes():
            return bytes(value).decode("utf-8", "replace")
        case list():
            return [_ours(item) for item in value]
        case dict():
            return {str(key): _ours(item) for key, item in value.items()}
    return str(value)
