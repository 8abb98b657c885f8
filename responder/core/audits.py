"""The audit's chain: entries that hold the hash of the one before, and how a break in it is found. Pure.

    hash = sha-256 of the line without its `hash`, as canonical JSON: keys sorted, no spaces, ASCII only

The line holds `previous`, so a hash stands for everything up to it. Whoever may write the database can compute a whole
new chain; only a head that was written down elsewhere shows that.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from json import encoder
from typing import Any

GENESIS = "0" * 64
"""What the first entry names as the hash before it."""

OURSELVES = "responder"

KINDS = frozenset(
    {
        *("decision", "approval.asked", "approval.expired", "freeze", "unfreeze", "outage.merged"),
        *("approve", "decline", "hold", "pause", "resume", "cancel", "retry", "skip", "go-now", "release"),
        "refused",
        *("run.submitted", "run.ended", "effect.intent", "effect.under-way", "effect.outcome"),
        *("playbook.loaded", "settings.loaded", "instance.started", "instance.stopped"),
    }
)
"""Every kind of entry. Who asks for another has made a typing error, and would take its silence for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is to be recorded."""

    at: datetime
    kind: str
    """Stable: `approve`, `decision`, `effect.intent`, ..."""
    actor: str
    run: str | None = None
    server: str | None = None
    outage: str | None = None
    subject: str = ""
    """Name of a playbook, scope of a freeze, id of an instance."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON values, and times and durations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry in its place in the chain."""

    number: int
    """1, 2, 3, ... without a gap."""
    at: str
    kind: str
    actor: str
    run: str | None
    server: str | None
    outage: str | None
    subject: str
    body: str
    """Canonical JSON."""
    previous: str
    hash: str

    def shown(self) -> dict[str, Any]:
        """The line as it is exported, and hashed without `hash`."""
        return {
            "number": self.number,
            "at": self.at,
            "kind": self.kind,
            "actor": self.actor,
            "run": self.run,
            "server": self.server,
            "outage": self.outage,
            "subject": self.subject,
            "body": json.loads(self.body),
            "previous": self.previous,
            "hash": self.hash,
        }

    def whole(self) -> bool:
        """Whether its contents give its hash."""
        try:
            own = {name: getattr(self, name) for name in _NAMED}
            hash_ = _digest(_pieces(own), self.body, self.number, self.previous)
            return self.hash == hash_ and self.body == canonical(json.loads(self.body))
        except ValueError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the chain ends."""

    number: int = 0
    hash: str = GENESIS

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One break of the chain."""

    number: int
    """The entry that it is about, or the first of them."""
    what: str
    """`changed`, `missing`, `moved`, `unlinked`, `truncated`, `uncovered`, `head` or `other`."""
    text: str


_NAMED = ("at", "kind", "actor", "run", "server", "outage", "subject")


def canonical(value: Any) -> str:
    """The one text of a JSON value."""
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def seal(entry: Entry, after: Head) -> Line:
    """The entry as the next of its chain."""
    return _sealed(entry, after)[0]


def _sealed(entry: Entry, after: Head) -> tuple[Line, _Pieces]:
    """The line, and the text that its hash is made of."""
    body = canonical(harmless(entry.body))
    line: dict[str, Any] = {
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "kind": entry.kind,
        "actor": _storable(entry.actor),
        "run": entry.run,
        "server": entry.server,
        "outage": entry.outage,
        "subject": _storable(entry.subject),
    }
    pieces = _pieces(line)
    hash_ = _digest(pieces, body, after.number + 1, after.hash)
    return Line(**line, number=after.number + 1, body=body, previous=after.hash, hash=hash_), pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry ready for its place, which is told elsewhere: what is stored of it, and the text around its place.

    before + body + between + number + middle + previous + after        is what `seal` hashes
    """

    before: str
    between: str
    middle: str
    after: str
    line: Line
    """As the first of a chain."""


def draft(entry: Entry) -> Draft:
    """The entry in pieces, so that a database can seal it at the end of the chain that it alone sees."""
    line, (before, between, middle, end) = _sealed(entry, Head())
    return Draft(before=before, between=between, middle=f'{middle}"', after=f'"{end}', line=line)


def line_of(document: Mapping[str, Any]) -> Line:
    """A line as exported, read again.

    Raises:
        ValueError: it is none.
    """
    wanted = {"number", "at", "kind", "actor", "run", "server", "outage", "subject", "body", "previous", "hash"}
    if set(document) != wanted or not isinstance(document["number"], int):
        raise ValueError("not a line of the audit")
    return Line(**{**document, "body": canonical(document["body"])})


_Pieces = tuple[str, str, str, str]
"""Of a line's canonical JSON without `hash`: before the body, up to the number, up to `previous`, and after it."""


def _pieces(line: Mapping[str, Any]) -> _Pieces:
    """Put together by hand: thousands of lines are written at once, and their bodies are long."""
    return (
        f'{{"actor":{_quoted(line["actor"])},"at":{_quoted(line["at"])},"body":',
        f',"kind":{_quoted(line["kind"])},"number":',
        f',"outage":{_quoted(line["outage"])},"previous":',
        f',"run":{_quoted(line["run"])},"server":{_quoted(line["server"])},"subject":{_quoted(line["subject"])}}}',
    )


def _quoted(text: str | None) -> str:
    """As `canonical` does it. What somebody wrote into the table may be no text."""
    return encoder.encode_basestring_ascii(text) if isinstance(text, str) else canonical(text)


def _digest(pieces: _Pieces, body: str, number: int, previous: str) -> str:
    before, between, middle, end = pieces
    text = f"{before}{body}{between}{number}{middle}{_quoted(previous)}{end}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


# What is recorded holds no secret. ------------------------------------------------------------------------------------

LEFT_OUT = "(left out)"
_SECRET = re.compile(
    r"passw|secret|token|authori[sz]ation|credential|api.?key|access.?key|signature|cookie|connection.?string", re.I
)
_ADDRESS = re.compile(
    r"(?P<place>[a-z][a-z0-9+.-]*://)(?:[^\s/@\"]*@)?(?P<path>[^\s?#\"]*)(?P<rest>[?#][^\s\"]*)?", re.I
)
_INSIDE = (
    re.compile(r"(?P<kept>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.I),
    re.compile(
        r"(?P<kept>\b(?:password|passwd|pwd|sharedaccesskey|accountkey|sharedaccesssignature|sig)\s*=\s*)[^\s;&\"']+",
        re.I,
    ),
)
_LONGEST = 2_000


def harmless(value: Any, *, named: str = "") -> Any:
    """The value as JSON without what may be a secret: by the name it has, and in what addresses carry.

    Args:
        value: plain values, times, durations, and mappings and sequences of them.
        named: what it is called where it lies.
    """
    if named and _is_secret(named) and value not in (None, "", True, False):
        return LEFT_OUT
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (dict, Mapping)):
        return {_name(str(key)): harmless(each, named=str(key)) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [harmless(each, named=named) for each in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, float):  # one text for a number in every language
        return int(value) if value.is_integer() else (value if value - value == 0 else str(value))
    return _text(str(value))


@functools.lru_cache(maxsize=1000)
def _name(key: str) -> str:
    return _storable(key)


@functools.lru_cache(maxsize=1000)
def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def _text(value: str) -> str:
    # Ten thousand decisions of a wave are explained by a few sentences; ids and digests differ each time.
    return _sentence(value) if " " in value and len(value) < _LONGEST else _cleaned(value)


def _cleaned(value: str) -> str:
    if "://" in value:
        value = _ADDRESS.sub(_without_secrets, value)
    for secret in _INSIDE if "=" in value or " " in value else ():
        value = secret.sub(rf"\g<kept>{LEFT_OUT}", value)
    if len(value) > _LONGEST:
        digest = hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
        value = f"{value[:_LONGEST]}... ({len(value)} characters, sha-256 {digest})"
    return _storable(value)


_sentence = functools.lru_cache(maxsize=1000)(_cleaned)


def _without_secrets(found: re.Match[str]) -> str:
    return f"{found['place']}{found['path']}" + (f"?{LEFT_OUT}" if found["rest"] else "")


def _storable(text: str) -> str:
    """As `canonical` and both databases take it back: lone surrogates and NUL replaced."""
    return text.replace("\0", "?") if text.isascii() else text.encode("utf-8", "replace").decode().replace("\0", "?")


# Finding a break. -----------------------------------------------------------------------------------------------------

_NEAR = 50
"""How far from its place an entry is looked for by its hash."""
_LOOKED_FOR = 25
"""For so many breaks it is: looking takes a while, and nobody reads more of them."""


class Chain:
    """Follows the chain from its beginning, line by line."""

    def __init__(self) -> None:
        self.end = Head()
        """Where it has come to."""
        self.faults: list[Fault] = []

    def follow(self, line: Line) -> None:
        """The next line, by number."""
        first, gap = self.end.number + 1, line.number > self.end.number + 1
        if gap:
            text = f"{_entries(first, line.number - 1)} missing."
            self.faults.append(Fault(number=first, what="missing", text=text))
        if not line.whole():
            self.faults.append(_broken(line, look=len(self.faults) < _LOOKED_FOR))
        elif line.previous != self.end.hash and not gap:
            before = f"entry {line.number - 1}" if line.number > 1 else "the beginning"
            text = (
                f"Entry {line.number} was not written after {before} as it is now: that one was changed or exchanged "
                f"together with its hash, or entry {line.number} does not belong here."
            )
            self.faults.append(Fault(number=line.number, what="unlinked", text=text))
        self.end = Head(number=line.number, hash=line.hash)

    def close(self, head: Head | None) -> None:
        """The last line was given; the head as it is stored apart."""
        end = self.end
        if head is None:
            self.faults.append(Fault(number=end.number, what="head", text="The head that is kept apart is missing."))
        elif end.number < head.number:
            text = f"{_entries(end.number + 1, head.number)} missing at the end: the head stands at {head.number}."
            self.faults.append(Fault(number=end.number + 1, what="truncated", text=text))
        elif end.number > head.number:
            text = (
                f"{_entries(head.number + 1, end.number)} not covered by the head, which stands at {head.number}: "
                "inserted by hand, or the head was set back."
            )
            self.faults.append(Fault(number=head.number + 1, what="uncovered", text=text))
        elif end.hash != head.hash:
            text = f"The head that is kept apart names another hash for entry {end.number}."
            self.faults.append(Fault(number=end.number, what="head", text=text))


class Witness:
    """What somebody has of the chain from before: heads written down, or exported lines. Compared as it goes by."""

    def __init__(self) -> None:
        self._numbered: dict[int, str] = {}
        self._hashes: set[str] = set()
        self.faults: list[Fault] = []
        self.agreed = 0
        """How much of it was found in the chain, as it was."""

    def head(self, text: str) -> None:
        """A head as it is printed, `12:ab34...`, or its hash alone.

        Raises:
            ValueError: it is neither.
        """
        number, _, digest = text.strip().lower().rpartition(":")
        if not re.fullmatch(r"[0-9a-f]{64}", digest) or not re.fullmatch(r"\d*", number):
            raise ValueError("not a head")
        if number and int(number):
            if self._numbered.setdefault(int(number), digest) != digest:
                text = f"Two different heads were written down for entry {int(number)}: the chain was computed anew."
                self.faults.append(Fault(number=int(number), what="other", text=text))
        elif digest != GENESIS:
            self._hashes.add(digest)

    def line(self, line: Line) -> None:
        """A line of an earlier export."""
        if not line.whole():
            text = f"Entry {line.number} in the file: its contents do not give its hash; the file was changed."
            self.faults.append(Fault(number=line.number, what="other", text=text))
        elif self._numbered.setdefault(line.number, line.hash) != line.hash:
            text = f"The file has two different entries {line.number}."
            self.faults.append(Fault(number=line.number, what="other", text=text))

    def see(self, line: Line) -> None:
        """A line of the chain goes by."""
        if line.hash in self._hashes:
            self._hashes.remove(line.hash)
            self.agreed += 1
        known = self._numbered.pop(line.number, None)
        if known is None:
            return
        if known != line.hash:
            text = f"Entry {line.number} is another than the one that was written down ({known})."
            self.faults.append(Fault(number=line.number, what="other", text=text))
        else:
            self.agreed += 1

    def close(self, end: Head) -> None:
        """The chain has ended there."""
        for number in sorted(self._numbered):
            text = f"Entry {number} was written down, and is not in the chain, which ends at {end.number}."
            self.faults.append(Fault(number=number, what="truncated", text=text))
        for digest in sorted(self._hashes):
            text = f"No entry has the hash {digest} that was written down: the chain was cut, or computed anew."
            self.faults.append(Fault(number=end.number, what="other", text=text))


def _broken(line: Line, *, look: bool) -> Fault:
    for number in range(max(line.number - _NEAR, 1), line.number + _NEAR) if look else ():
        if number != line.number and replace(line, number=number).whole():
            text = f"Entry {line.number} was written as entry {number}: the order was changed."
            return Fault(number=line.number, what="moved", text=text)
    text = f"Entry {line.number} ({line.kind}) was changed: its contents do not give its hash."
    return Fault(number=line.number, what="changed", text=text)


def _entries(first: int, last: int) -> str:
    return f"Entry {first} is" if first == last else f"Entries {first} to {last} are"
