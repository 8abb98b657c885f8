"""The piece of the Kusto language that inventories need: where, extend, project, order by, take, count.

Pure: a query and rows in, rows out. What it does not know it refuses; it never guesses.
https://learn.microsoft.com/azure/governance/resource-graph/concepts/query-language
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key

Row = Mapping[str, object]
Expression = Callable[[Row], object]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<operator>=~|!~|==|!=|>=|<=|>|<|=|!?in~|!?contains|!?startswith|!?endswith|!?has)(?![\w~])
    | (?P<name>[A-Za-z_]\w*)
    | (?P<mark>[()\[\],.|])
    )""",
    re.VERBOSE,
)
# Symbols may be followed by a word (`a=~'b'`, `n=name`), word operators may not.
_SYMBOL = re.compile(r"\s*(?P<operator>=~|!~|==|!=|>=|<=|>|<|=)")


class BadQuery(ValueError):
    """The query cannot be read. `position` is where, `token` what stood there."""

    def __init__(self, why: str, position: int, token: str) -> None:
        super().__init__(f"{why} at {position} ('{token}')")
        self.position = position
        self.token = token


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


_END = "<EOF>"


def run(query: str, tables: Mapping[str, Sequence[Row]], *, columns: frozenset[str]) -> list[Row]:
    """The rows that a query yields from named tables. Raises `BadQuery`."""
    return _Parser(_tokens(query), columns).run(tables)


def _tokens(query: str) -> list[_Token]:
    tokens, at = [], 0
    query = re.sub(r"//[^\n]*", "", query).rstrip().rstrip(";").rstrip()
    while at < len(query):
        match = _SYMBOL.match(query, at) or _TOKEN.match(query, at)
        if match is None:
            raise BadQuery("cannot be read", at, query[at : at + 10])
        kind = match.lastgroup or ""
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return [*tokens, _Token("end", _END, len(query))]


class _Parser:
    """Reads the stages of a query one after the other and applies each to the rows so far."""

    def __init__(self, tokens: Sequence[_Token], columns: frozenset[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._columns = {c.lower(): c for c in columns}

    def run(self, tables: Mapping[str, Sequence[Row]]) -> list[Row]:
        name = self._take("name").text.lower()
        if name not in tables:
            raise self._bad("no such table", back=1)
        rows: list[Row] = list(tables[name])
        while self._peek().kind != "end":
            self._expect("|")
            rows = self._stage(rows)
        return rows

    def _stage(self, rows: list[Row]) -> list[Row]:
        name = self._take("name").text.lower()
        if name == "where":
            condition = self._either()
            return [r for r in rows if condition(r)]
        if name in ("project", "extend"):
            return self._columns_of(rows, keep=name == "extend")
        if name in ("order", "sort"):
            self._expect("by")
            return self._ordered(rows)
        if name in ("take", "limit"):
            return rows[: int(self._take("number").text)]
        if name == "count":
            self._columns = {"count_": "Count"}
            return [{"Count": len(rows)}]
        raise self._bad("no such operator", back=1)

    def _columns_of(self, rows: list[Row], *, keep: bool) -> list[Row]:
        named: dict[str, Expression] = {}
        while True:
            first = self._peek()
            following = self._tokens[self._at + 1] if first.kind == "name" else first
            if following.text == "=":
                self._at += 2
                named[first.text] = self._value()
            else:
                expression = self._value()
                named[re.sub(r"\W+", "_", self._column_name(first))] = expression
            if self._peek().text != ",":
                break
            self._at += 1
        kept = self._columns if keep else {}
        self._columns = {**kept, **{n.lower(): n for n in named}}
        return [{**(r if keep else {}), **{n: e(r) for n, e in named.items()}} for r in rows]

    def _column_name(self, first: _Token) -> str:
        last = self._tokens[self._at - 1]
        return self._columns.get(first.text.lower(), first.text) if last is first else f"{first.text}_{last.text}"

    def _ordered(self, rows: list[Row]) -> list[Row]:
        keys: list[tuple[Expression, bool]] = []
        while True:
            expression = self._value()
            ascending = False  # Kusto sorts downwards unless told otherwise
            if self._peek().text.lower() in ("asc", "desc"):
                ascending = self._take("name").text.lower() == "asc"
            keys.append((expression, ascending))
            if self._peek().text != ",":
                break
            self._at += 1

        def compare(a: Row, b: Row) -> int:
            for expression, ascending in keys:
                left, right = str(expression(a)), str(expression(b))
                if left != right:
                    return (-1 if left < right else 1) * (1 if ascending else -1)
            return 0

        return sorted(rows, key=cmp_to_key(compare))

    def _either(self) -> Expression:
        terms = [self._both()]
        while self._peek().text.lower() == "or":
            self._at += 1
            terms.append(self._both())
        return lambda row: any(t(row) for t in terms)

    def _both(self) -> Expression:
        terms = [self._term()]
        while self._peek().text.lower() == "and":
            self._at += 1
            terms.append(self._term())
        return lambda row: all(t(row) for t in terms)

    def _term(self) -> Expression:
        if self._peek().text == "(":
            self._at += 1
            inner = self._either()
            self._expect(")")
            return inner
        left = self._value()
        token = self._peek()
        operator = token.text.lower()
        if operator == "in" or (token.kind == "operator" and operator.endswith("in~")):
            self._at += 1
            return _member(left, self._list(), operator)
        if token.kind == "operator":
            self._at += 1
            return _comparison(left, operator, self._value())
        return left

    def _list(self) -> list[Expression]:
        self._expect("(")
        values = [self._value()]
        while self._peek().text == ",":
            self._at += 1
            values.append(self._value())
        self._expect(")")
        return values

    def _value(self) -> Expression:
        token = self._peek()
        self._at += 1
        if token.kind == "string":
            text = re.sub(r"\\(.)", r"\1", token.text[1:-1])
            return lambda row: text
        if token.kind == "number":
            number = float(token.text) if "." in token.text else int(token.text)
            return lambda row: number
        if token.kind != "name":
            raise self._bad("a value was expected", back=1)
        if self._peek().text == "(" and token.text.lower() in _FUNCTIONS:
            function = _FUNCTIONS[token.text.lower()]
            (argument,) = self._list()
            return lambda row: function(argument(row))
        return self._path(token)

    def _path(self, token: _Token) -> Expression:
        if token.text.lower() in ("true", "false"):
            truth = token.text.lower() == "true"
            return lambda row: truth
        if token.text.lower() not in self._columns:
            raise BadQuery("no such column", token.position, token.text)
        steps = [self._columns[token.text.lower()]]
        while self._peek().text in (".", "["):
            bracket = self._take("mark").text == "["
            step = self._take("string" if bracket else "name").text
            steps.append(step[1:-1] if bracket else step)
            if bracket:
                self._expect("]")

        def follow(row: Row) -> object:
            value: object = row
            for step in steps:
                value = value.get(step) if isinstance(value, Mapping) else None
            return value

        return follow

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, kind: str) -> _Token:
        token = self._peek()
        if token.kind != kind:
            raise self._bad(f"a {kind} was expected")
        self._at += 1
        return token

    def _expect(self, text: str) -> None:
        if self._peek().text.lower() != text:
            raise self._bad(f"'{text}' was expected")
        self._at += 1

    def _bad(self, why: str, *, back: int = 0) -> BadQuery:
        token = self._tokens[self._at - back]
        return BadQuery(why, token.position, token.text)


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


_FUNCTIONS: Mapping[str, Callable[[object], object]] = {
    "tostring": _text,
    "tolower": lambda v: _text(v).lower(),
    "toupper": lambda v: _text(v).upper(),
    "toint": lambda v: int(_text(v)) if re.fullmatch(r"-?\d+", _text(v)) else None,
    "tobool": lambda v: _text(v).lower() == "true",
    "isnotempty": lambda v: v not in (None, ""),
    "isempty": lambda v: v in (None, ""),
    "isnull": lambda v: v is None,
    "isnotnull": lambda v: v is not None,
}


def _member(left: Expression, values: Sequence[Expression], operator: str) -> Expression:
    fold = str.lower if operator.endswith("~") else str
    wanted = not operator.startswith("!")
    return lambda row: (fold(_text(left(row))) in {fold(_text(v(row))) for v in values}) == wanted


_COMPARISONS: Mapping[str, Callable[[str, str], bool]] = {
    "==": lambda a, b: a == b,
    "=~": lambda a, b: a.lower() == b.lower(),
    "contains": lambda a, b: b.lower() in a.lower(),
    "has": lambda a, b: re.search(rf"\b{re.escape(b)}\b", a, re.IGNORECASE) is not None,
    "startswith": lambda a, b: a.lower().startswith(b.lower()),
    "endswith": lambda a, b: a.lower().endswith(b.lower()),
}


def _comparison(left: Expression, operator: str, right: Expression) -> Expression:
    if operator in (">", "<", ">=", "<="):
        signs = {">": (1,), "<": (-1,), ">=": (1, 0), "<=": (-1, 0)}[operator]
        return lambda row: _sign(left(row), right(row)) in signs
    wanted = not operator.startswith("!")
    plain = {"!=": "==", "!~": "=~"}.get(operator, operator.removeprefix("!"))
    compare = _COMPARISONS.get(plain)
    if compare is None:
        raise BadQuery("no such comparison", 0, operator)
    return lambda row: compare(_text(left(row)), _text(right(row))) == wanted


def _sign(left: object, right: object) -> int | None:
    if left is None or right is None:
        return None
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return (left > right) - (left < right)
    return (_text(left) > _text(right)) - (_text(left) < _text(right))
