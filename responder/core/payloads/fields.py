"""Reading fields of objects whose keys, types and presence nobody guarantees.

Azure's own spelling varies by channel and by year (`isSynthetic`, `IsSynthetic`; `impactStartTime`, `ImpactStartTime`),
and one record can hold a key twice in two casings with two types (`Level`: 5 beside `level`: "Informational"). So keys
are compared without case, all values of a key are kept, and each question takes the first value of the type it needs.
"""

from __future__ import annotations

import email.utils
import functools
import html
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from responder.core.payloads import budgets, documents

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICKS_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
_SCALARS = (str, bool, int, float)
_NO = {"", "false", "0", "no", "none", "null", "f", "n", "off"}


class Fields:
    """Read access to one object, or to several laid over each other (the first to answer wins).

    Raises:
        ExceededError: an object has more fields than any of Azure's.
    """

    __slots__ = ("_values",)

    def __init__(self, *layers: object) -> None:
        self._values: dict[str, list[object]] = {}
        for layer in layers:
            if isinstance(layer, Fields):
                for key, values in layer._values.items():
                    self._values.setdefault(key, []).extend(values)
            elif isinstance(layer, dict):
                if len(layer) > budgets.MOST_FIELDS:
                    raise budgets.ExceededError(f"not read: more than {budgets.MOST_FIELDS} fields in one object")
                for key, value in layer.items():
                    if value is not None:
                        self._values.setdefault(_fold(str(key)), []).append(value)

    def __contains__(self, name: str) -> bool:
        return _fold(name) in self._values

    def __bool__(self) -> bool:
        return bool(self._values)

    def all(self, *names: str) -> Iterable[object]:
        """Every value of these fields, in the order of the names."""
        for name in names:
            yield from self._values.get(_fold(name), ())

    def text(self, *names: str, limit: int = 2_000) -> str | None:
        """The first of these fields that says something: a string, a number, or `{"value": string}` (Activity Log)."""
        for value in self.all(*names):
            if isinstance(value, dict):
                value = next(iter(Fields(value).all("value")), None)
            if isinstance(value, int | float) and not isinstance(value, bool):
                value = str(value)
            if isinstance(value, str) and (cleaned := clean(value, limit)):
                return cleaned
        return None

    def word(self, *names: str) -> str | None:
        """The first of these fields that is a word, in lower case and without blanks; numbers are not words."""
        for value in self.all(*names):
            found = Fields({"it": value}).text("it", limit=100)
            if found and not isinstance(value, int | float) and not found.lstrip("-").isdecimal():
                return "".join(found.split()).casefold()
        return None

    def time(self, *names: str) -> datetime | None:
        """The first of these fields that is a moment."""
        return next((moment for value in self.all(*names) if (moment := time(value))), None)

    def flag(self, *names: str) -> bool:
        """Whether any of these fields is set to anything but a clear no. For flags that must not be missed."""
        return not all(isinstance(each, _SCALARS) and str(each).strip().casefold() in _NO for each in self.all(*names))

    def mapping(self, *names: str) -> dict[str, object] | None:
        """The first of these fields that is an object, also one that was put into a string."""
        for value in self.all(*names):
            found = documents.embedded(value)
            if isinstance(found, list) and len(found) == 1:
                found = documents.embedded(found[0])
            if isinstance(found, dict) and found:
                return found
        return None

    def items(self, *names: str) -> list[object]:
        """The first of these fields that is a list with something in it; a single object counts as a list of one."""
        for value in self.all(*names):
            found = documents.embedded(value)
            if isinstance(found, list | dict) and found:
                return found if isinstance(found, list) else [found]
        return []


_NO_SEPARATORS = str.maketrans("", "", "_- ")


def _fold(key: str) -> str:
    return _fold_short(key) if len(key) <= 64 else key  # no key of Azure's is longer; nor may the cache hold megabytes


@functools.lru_cache(maxsize=4_096)
def _fold_short(key: str) -> str:
    return key.casefold().translate(_NO_SEPARATORS)


_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


_NAME = 200
"""Characters. What is no longer than that is a name or an id: it goes into names of runs, headers and tags."""


def clean(text: str, limit: int) -> str:
    """Text that can be printed and stored: no NUL (PostgreSQL refuses it), no lone surrogates (UTF-8 does).

    Names and ids are one line: a header that holds a line end is not sent, whatever it is about.
    """
    if limit <= _NAME:
        text = " ".join(text[: 2 * limit].split())
    return _UNSTORABLE.sub("", text[: limit + 1]).encode("utf-8", "replace").decode()[:limit].strip()


_TAG = re.compile(r"<[^<>]*>")


def prose(text: str | None, limit: int = 2_000) -> str:
    """What a communication says, without its HTML. Malformed tags stay as they are; nothing here is safe HTML."""
    return " ".join(html.unescape(_TAG.sub(" ", text[: limit * 4])).split())[:limit] if text else ""


def time(value: object) -> datetime | None:
    """A moment in UTC, or None for what is none: Azure writes `0001-01-01T00:00:00` (no zone) for "not mitigated yet".

    No zone means UTC. Three to seven fraction digits occur. Resource Graph's raw encoding is not documented
    (Microsoft's own queries wrap it in `todatetime(tolong(...))` or compare it as it is): ISO, epoch and .NET ticks
    are read, and what .NET writes by default: `3/29/2017 3:43:21 PM`, month first, as captures of 2017 show; also the
    date of HTTP, `Wed, 11 Feb 2026 03:04:05 GMT`.
    """
    try:
        found = _number(number) if (number := _as_number(value)) is not None else _written(value)
        if found is None:
            return None
        moment = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if 2000 <= moment.year < 2200 else None


def _as_number(value: object) -> float | None:
    if isinstance(value, str):
        digits = value.strip().removeprefix("/Date(").removesuffix(")/")  # as .NET once wrote it
        return float(digits) if 10 <= len(digits) <= 20 and digits.isascii() and digits.isdigit() else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


_INVARIANT = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d{2})(?::(\d{2}))?(?: ([AP])M)?(?: ?(Z|[+-]\d{2}:\d{2}))?"
)


def _written(value: object) -> datetime | None:
    if not isinstance(value, str) or len(value) > 64:
        return None
    text = value.strip().upper()
    if text.endswith(" GMT"):
        return email.utils.parsedate_to_datetime(text)
    if (match := _INVARIANT.fullmatch(text)) is None:
        return datetime.fromisoformat(text)
    month, day, year, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    half, zone = match[7], match[8] or "Z"
    if half is not None:
        hour = hour % 12 + (12 if half == "P" else 0)
    return datetime.fromisoformat(f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}")


def _number(value: float) -> datetime | None:
    if 1e9 <= value < 1e10:
        return _EPOCH + timedelta(seconds=value)
    if 1e12 <= value < 1e13:
        return _EPOCH + timedelta(milliseconds=value)
    if 1e15 <= value < 1e16:
        return _EPOCH + timedelta(microseconds=value)
    if 6e17 <= value < 7e17:
        return _TICKS_EPOCH + timedelta(microseconds=value / 10)
    return None


_SUBSCRIPTION = re.compile(r"/subscriptions/([^/\s][^/]*)", re.IGNORECASE)


def subscription(*paths: object) -> str | None:
    """The subscription id, lower-cased, from the first ARM id that has one. Not every channel gives it a field."""
    for path in paths:
        if isinstance(path, str) and (match := _SUBSCRIPTION.search(path[:4_000])):
            return clean(match[1], 100).lower() or None
    return None


def resource(*paths: object) -> str | None:
    """The first ARM id of a resource, lower-cased: the diagnostic stream upper-cases them. A subscription is none."""
    for path in paths:
        if isinstance(path, str) and "/providers/" in (lowered := clean(path, 2_000).lower()):
            return lowered.rstrip("/")
    return None
