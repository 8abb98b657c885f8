"""What is wrong with a file, collected while it is read: reading goes on with a stand-in, so that all is told."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import Any

from responder.core import errors
from responder.core.playbooks import nodes, types

_OLD_KEYS = {
    "attempts": "Write `retry: {attempts: N}`.",
}


class Report:
    """The problems of one file."""

    def __init__(self, place: str) -> None:
        self._place = place
        self.problems: list[errors.InputError] = []
        self._places: list[tuple[int, int]] = []

    def refuse(self, error_id: str, message: str, at: nodes.At, remedy: str) -> None:
        """Note a problem."""
        place = f"{self._place}:{at.line}:{at.column}"
        self.problems.append(errors.InputError(error_id, message, remedy=remedy, place=place))
        self._places.append((at.line, at.column))

    def in_order(self) -> tuple[errors.InputError, ...]:
        """The problems in the order of the file."""
        order = sorted(range(len(self.problems)), key=self._places.__getitem__)
        return tuple(self.problems[i] for i in order)

    def unknown(self, name: str, known: Collection[str], at: nodes.At) -> None:
        """Note a key that is not known, and what it may have been meant to be."""
        self.refuse("playbook.unknown-key", f"There is no key {name!r} here.", at, hint(name, known))

    def entries(self, node: nodes.Node) -> Sequence[tuple[nodes.Scalar, nodes.Node]]:
        """The `name: value` lines of a node, or a problem. Of a name that is there twice, the first."""
        if not isinstance(node, nodes.Fields):
            text = "Expected `name: value` lines."
            self.refuse("playbook.not-a-mapping", text, node.at, "See the shipped playbooks.")
            return ()
        found: dict[str, tuple[nodes.Scalar, nodes.Node]] = {}
        for key, item in node.entries:
            if not isinstance(key.value, str):
                self.not_a_name(key)
                continue
            name = str(key.value)
            if name in found:
                first = found[name][0].at.line
                text = f"{name!r} is there twice; first in line {first}."
                self.refuse("playbook.double-key", text, key.at, "Take one away.")
            else:
                found[name] = (key, item)
        return tuple(found.values())

    def not_a_name(self, key: nodes.Scalar) -> None:
        """Note a key that YAML takes for something else: a bare on, off, yes, no, null, or a number."""
        value = "nothing (null)" if key.value is None else f"a {'flag' if isinstance(key.value, bool) else 'number'}"
        text = f"The key here is {value} to YAML, and not a text."
        self.refuse("playbook.bad-key", text, key.at, 'Put it in quotes, like "on": ...')

    def fields(self, node: nodes.Node, allowed: Collection[str]) -> dict[str, nodes.Node] | None:
        """The lines by name; those that are not allowed are refused. None: there are no lines."""
        if not isinstance(node, nodes.Fields):
            self.entries(node)
            return None
        found = {}
        for key, item in self.entries(node):
            name = str(key.value)
            if name in allowed:
                found[name] = item
            elif name in _OLD_KEYS:
                self.refuse("playbook.unknown-key", f"There is no key {name!r} here.", key.at, _OLD_KEYS[name])
            else:
                self.unknown(name, allowed, key.at)
        return found

    def items(self, node: nodes.Node) -> Sequence[nodes.Node]:
        """The entries of a list; none, and a problem, when it is no list."""
        if isinstance(node, nodes.Items):
            return node.items
        self.refuse("playbook.not-a-list", "Expected a list.", node.at, "Start each entry with a dash.")
        return ()

    def texts(self, node: nodes.Node) -> list[str]:
        """A list of texts."""
        found = []
        for item in self.items(node):
            value = nodes.plain(item)
            if isinstance(value, str) and value:
                found.append(value)
            else:
                self.refuse("playbook.bad-value", f"{value!r} is not a text.", item.at, "Put it in quotes.")
        return found

    def text(self, entry: dict[str, nodes.Node], name: str, at: nodes.At) -> str:
        """A text that must be there; empty, and a problem, when it is not.

        Args:
            at: the place to name when it is missing altogether.
        """
        node = entry.get(name)
        value = nodes.plain(node) if node is not None else None
        if node is not None and value is not None and not isinstance(value, str):
            self.refuse("playbook.bad-value", f"{name}: {value!r} is not a text.", node.at, "Put it in quotes.")
        elif not isinstance(value, str) or not value.strip():
            where = node.at if node is not None else at
            self.refuse("playbook.missing", f"{name} is missing.", where, f"Add `{name}:` with a text.")
        else:
            return value.strip()
        return ""

    def value(
        self, entry: dict[str, nodes.Node], name: str, type_: types.Type, default: Any, choices: Sequence[str] = ()
    ) -> Any:
        """A value of a type, or the default when it is left out or does not fit."""
        node = entry.get(name)
        if node is None:
            return default
        try:
            found = types.typed(type_, nodes.plain(node), choices=choices)
        except types.Misfit as error:
            self.refuse("playbook.bad-value", f"{name}: {error.message}.", node.at, error.remedy)
            return default
        return found.strip() if isinstance(found, str) else found


def hint(name: str, known: Collection[str]) -> str:
    """What the name may have been meant to be, or all that there is."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    if near:
        return f"Did you mean {near[0]}?"
    return f"Known: {', '.join(sorted(known))}." if known else "None is known here."
