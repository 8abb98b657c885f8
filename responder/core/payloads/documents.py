"""Bytes to JSON values, with whatever was spoiled set apart.

One poisoned record must not cost its neighbours, and no input may cost more than linear time: first the whole body is
read strictly; only when that fails are its objects cut out by their brackets and read one by one.

What is known to arrive, and from where:
- a value as a JSON string, once or twice, and arrays of such strings: DataDog/datadog-serverless-functions
  azure/activity_logs_monitoring/index.js (`JSON_STRING`, `JSON_STRING_ARRAY`)
- single-quoted pseudo JSON, raw line breaks in strings: the same, and Elastic's `sanitize_singlequotes`,
  `sanitize_newlines`
- `"properties": [ 227 B blob data ]` in PostgreSQL's own logs on a shared hub: elastic/beats issue 40641
- concatenated and unterminated JSON: microsoft/AzureFunctionforSplunkVS issue 26, grafana/loki issue 8788
"""

from __future__ import annotations

import functools
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from responder.core.payloads import budgets

MOST_BYTES = 32 << 20
"""Longest body that is read. A page of REST events of 55 regions each runs to some megabytes."""
MOST_UNPACKED = 4 << 20
"""Longest gzip content: four times the largest Event Hubs message, so that a bomb stays small."""
MOST_DOCUMENTS = 20_000
"""Most values taken out of a body that is no JSON as a whole; what follows is one unreadable piece."""
EXCERPT = 2_000
"""Bytes of a spoiled piece that are kept."""
_CHUNK = 1 << 16
_PACKED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")  # gzip; deflate, as HTTP calls zlib
_TEXT = tuple(bytes((byte,)) for byte in b'{["\xef\xff\xfe\0 \t\r\n')
"""How text of ours may begin, in any encoding."""
_MOST_MEMBERS = 1_000
"""gzip files one after the other are one gzip file (RFC 1952)."""
_WIDE_WITHOUT_MARK = {"utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"}
_MOST_FAILED_PARENTS = 6  # records sit three brackets deep; each level costs at most one reading of the text


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A piece that could not be read, for the quarantine."""

    reason: str
    position: int | str
    """Offset in characters into the decoded body, or the path of a piece that JSON could name (`records[3]`)."""
    raw: bytes
    """Its first bytes, as they came (UTF-16 and gzip: as UTF-8)."""


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON value found in the body."""

    value: object
    offset: int


Known = Callable[[object], bool]
"""Whether a value is an event or holds some. Fragments of a broken record are not."""


def read(body: bytes, known: Known) -> tuple[list[Document], list[Unreadable]]:
    """All JSON values of a body, and the pieces that are none. Never raises."""
    if len(body) > MOST_BYTES:
        return [], [Unreadable(f"longer than {MOST_BYTES} bytes", 0, body[:EXCERPT])]
    complaint = ""
    content: bytes | None = body
    if body.startswith(_PACKED):  # no packed record was ever seen; a cheap defence
        content, complaint = _unpack(body)
        if content and not complaint and content.startswith(_PACKED):  # by the sender, and by what carries it
            content, complaint = _unpack(content)
    elif not body.startswith(_TEXT):
        content = _inflated(body) or body
    spoiled = [Unreadable(complaint, 0, body[:EXCERPT])] if complaint else []
    if not content:
        return [], spoiled or [Unreadable("empty", 0, body[:EXCERPT])]
    text = _decode(content)
    budgets.current().size = len(text)
    documents, more = read_text(text, known)
    return documents, spoiled + more


def read_text(text: str, known: Known) -> tuple[list[Document], list[Unreadable]]:
    """As `read`, for text: a body once decoded, or a string that stood where a value should."""
    if not text.strip("\ufeff\0 \t\r\n"):
        return [], [Unreadable("empty", 0, _raw(text))]
    value, complaint = _lenient(text.strip("\ufeff\0"))
    if not complaint:
        return [Document(value, 0)], []
    return _recover(text, known, complaint)


def embedded(value: object) -> object:
    """A value that may have been put into a string, or into a string within a string; itself when it was not."""
    for _ in range(3):
        if not isinstance(value, str) or not _LOOKS_LIKE_JSON(value):
            return value
        inner, complaint = _opened(value)
        if complaint:
            return value
        value = inner
    return value


_LOOKS_LIKE_JSON = re.compile(r"""\s*[{\["]""").match
_LONG = 64


def _opened(text: str) -> tuple[object, str]:
    """A long string is asked for again and again, by every reader that might recognise what holds it."""
    return _lenient_again(text) if len(text) > _LONG else _lenient(text)


def forget() -> None:
    """Let go of what was kept while one body was read."""
    _lenient_again.cache_clear()


def excerpt(value: object) -> bytes:
    """A piece of JSON as text again, for the quarantine."""
    if isinstance(value, str):
        return _raw(value)
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")[:EXCERPT]
    except (ValueError, RecursionError):
        return b""  # nested as deeply as the reader allows: the body is kept elsewhere, whole


def _unpack(body: bytes) -> tuple[bytes | None, str]:
    """What can be unpacked, and what is wrong with the rest. Nothing at all of what grows too long."""
    content = bytearray()
    start = members = 0
    while body.startswith(_PACKED, start) and members < _MOST_MEMBERS:
        members += 1
        inflater = zlib.decompressobj(47)
        while start < len(body) and not inflater.eof:
            piece = body[start : start + _CHUNK]
            try:
                content += inflater.decompress(piece, MOST_UNPACKED - len(content) + 1)
            except zlib.error:
                return bytes(content), "gzip that is damaged"
            if len(content) > MOST_UNPACKED:
                return None, f"gzip of more than {MOST_UNPACKED} bytes"
            start += len(piece) - len(inflater.unused_data)
        if not inflater.eof:
            return bytes(content), "gzip that breaks off"
    return bytes(content), "something follows the gzip" if body[start:].strip(b"\0") else ""


def _inflated(body: bytes) -> bytes | None:
    """Deflate without zlib's mark, as some understand `Content-Encoding: deflate`: only where JSON comes out."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflater.decompress(body, MOST_UNPACKED + 1)
    except zlib.error:
        return None
    whole = inflater.eof and not inflater.unused_data and len(content) <= MOST_UNPACKED
    return content if whole and content.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in {b"{", b"[", b'"'} else None


def _decode(body: bytes) -> str:
    """Text whose undecodable bytes survive as surrogates, so that an excerpt can give them back unchanged."""
    encoding = json.detect_encoding(body)
    if encoding in _WIDE_WITHOUT_MARK and body.count(0) * 3 < len(body):
        encoding = "utf-8"  # a stray NUL at the start is no UTF-16
    return body.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "replace")


def _raw(text: str) -> bytes:
    piece = text[:EXCERPT]
    try:
        return piece.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # surrogates that JSON escapes made, not bytes
        return piece.encode("utf-8", "replace")


def _integer(digits: str) -> int | str:
    """Python refuses to convert more than 4300 digits; no number of Azure's has more than 19."""
    return int(digits) if len(digits) <= 20 else digits


_DECODER = json.JSONDecoder(strict=False, parse_int=_integer)  # raw line breaks in strings are seen: let them be


def _loads(text: str) -> tuple[object, str]:
    """The value, or a complaint. Depth is bounded by the interpreter's recursion limit."""
    if refused := budgets.current().refuses_reading(len(text)):
        return None, f"not read: {refused}"
    try:
        return _DECODER.decode(text), ""
    except json.JSONDecodeError as error:
        return None, f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos}"
    except RecursionError:
        return None, "not read: nested too deeply"


def _lenient(text: str) -> tuple[object, str]:
    value, complaint = _loads(text)
    if not complaint:
        return value, ""
    opening = text.lstrip()[:2]
    if opening in {"{\\", "[\\"}:  # escaped as if for a string, without the quotes around
        value, still = _loads(f'"{text}"')
        if not still:
            return value, ""
    if _UNESCAPED.search(text):
        value, still = _loads(_CLOSING.sub(r"\1", _UNESCAPED.sub(r"\1", text)))
        if not still:
            return value, ""
    if _SINGLE_QUOTED.search(text):
        value, still = _loads(_repaired(text))
        if not still:
            return value, ""
    return None, complaint


_lenient_again = functools.lru_cache(maxsize=16)(_lenient)


def _repaired(text: str) -> str:
    """With double quotes, as far as the budget reaches."""
    budget = budgets.current()
    if not budget.left_of_tokens():
        return text
    repaired, tokens = _TOKEN.subn(_double_quoted, text, count=budget.left_of_tokens())
    budget.tokens += tokens
    return repaired


# A list put into a string without escaping it: `"impactedServices": "[{"ServiceName": ...}]"`.
_UNESCAPED = re.compile(r'"(\[\{"|\{")')
_CLOSING = re.compile(r'([}\]])"(?=[,}\]\s])')
_SINGLE_QUOTED = re.compile(r"[{\[,:][ \t\r\n]*'")
# Every alternative ends at the end of the text at the latest, and nothing is read twice: linear on any input.
# An apostrophe closes only before punctuation: 'it's down'.
_TOKEN = re.compile(
    r""""(?:[^"\\]++|\\.?)*+"? | '(?:[^'\\]++|\\.?|'(?!\s{0,99}+(?:[:,\]}]|\Z)))*+'? | \b(?:True|False|None)\b""",
    re.DOTALL | re.VERBOSE,
)
_PYTHON = {"True": "true", "False": "false", "None": "null"}


def _double_quoted(match: re.Match[str]) -> str:
    token = match.group()
    if not token.startswith("'"):
        return _PYTHON.get(token, token)
    inner = token[1:-1].replace("\\'", "'")
    return '"' + re.sub(r'\\.|"', lambda m: '\\"' if m.group() == '"' else m.group(), inner, flags=re.DOTALL) + '"'


_BRACKET_OR_STRING = re.compile(r'[{}\[\]]|"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)
# A stray quote turns text inside out; then a "string" that ends like this is the gap between two records.
_TURNED_GAP = re.compile(r'[}\]]\s*,?\s*\{\s*"\Z')


def _pairs(text: str) -> tuple[list[tuple[int, int, bool]], int]:
    """Where objects begin and end (exclusive), and whether anything was open around them; linear, forgiving.

    With it, up to where the budget reached.
    """
    found: list[tuple[int, int, bool]] = []
    open_: list[int] = []
    position, left, budget = 0, budgets.current().left_of_tokens(), budgets.current()
    while left and (token := _BRACKET_OR_STRING.search(text, position)):
        left -= 1
        budget.tokens += 1
        position = token.end()
        char = token.group()[0]
        if char in "{[":
            open_.append(token.start())
        elif char == '"' and _is_turned_gap(token.group()):
            while open_ and text[open_[-1]] == "{":  # the record that had the stray quote ends here, unclosed
                open_.pop()
            position = token.start() + token.group().rindex("{")
        elif char in "}]":
            opener = "{" if char == "}" else "["
            while open_ and text[open_[-1]] != opener:
                open_.pop()
            if open_:
                start = open_.pop()
                if char == "}":
                    found.append((start, position, bool(open_)))
    return sorted(found), position if not left else len(text)


def _is_turned_gap(string: str) -> bool:
    return len(string) > 3 and bool(_TURNED_GAP.search(string[-200:]))


_NOT_READ = "not read: more than"
"""How the reason begins where a budget ended."""


def _recover(text: str, known: Known, complaint: str) -> tuple[list[Document], list[Unreadable]]:
    """The objects that can be read, outermost first; what lies between them is spoiled."""
    documents: list[Document] = []
    spoiled: list[Unreadable] = []
    done = 0  # everything before has been judged
    gap = 0  # where the current spoiled stretch began
    failed: list[int] = []  # ends of the enclosing objects that could not be read whole
    pairs, reached = _pairs(text)
    for start, end, inside in pairs:
        while failed and failed[-1] <= start:
            failed.pop()
        if start < done or len(failed) > _MOST_FAILED_PARENTS:
            continue
        if len(documents) == MOST_DOCUMENTS:
            spoiled.append(
                Unreadable(f"more than {MOST_DOCUMENTS} documents", start, _raw(text[start : start + EXCERPT]))
            )
            return documents, spoiled
        value, broken = _lenient(text[start:end])
        if broken.startswith(_NOT_READ):
            complaint, reached = broken, min(reached, start)
            break
        if broken:
            failed.append(end)
            continue
        done = end
        if not inside or known(value):
            documents.append(Document(value, start))
            spoiled.extend(_spoiled(text, gap, start, complaint))
            gap = end
    if reached < len(text) and not complaint.startswith(_NOT_READ):
        complaint = f"{_NOT_READ} {budgets.MOST_TOKENS} brackets and strings"
    spoiled.extend(_spoiled(text, gap, len(text), complaint))
    if not documents and not spoiled:  # brackets only: still nothing that anybody should lose sight of
        spoiled.append(Unreadable(complaint, 0, _raw(text)))
    return documents, spoiled


_SCAFFOLDING = re.compile(r"""["'](?:records|value|data)["']\s*:|["']|[\s,\[\]{}\ufeff\0\x1e]+""", re.IGNORECASE)


def _spoiled(text: str, start: int, end: int, complaint: str) -> Iterator[Unreadable]:
    """The stretch as one piece, unless it is only the brackets and commas around records."""
    stretch = text[start:end]
    if _SCAFFOLDING.sub("", stretch):
        lead = len(stretch) - len(stretch.lstrip(" \t\r\n,]}\ufeff"))
        yield Unreadable(complaint, start + lead, _raw(stretch[lead:]))
