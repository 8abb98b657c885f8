"""What the repositories write means the same in PostgreSQL's words."""

from __future__ import annotations

import pytest

from responder.store.postgresql import dialect


@pytest.mark.parametrize(
    ("sql", "given", "translated", "arguments"),
    [
        pytest.param("a = :a AND b = :b OR :a", {"b": 2, "a": 1, "c": 3}, "a = $1 AND b = $2 OR $1", [1, 2], id="all"),
        pytest.param("VALUES (?, ?, ?)", ("x", None, 3), "VALUES ($1, $2, $3)", ["x", None, 3], id="positions"),
        pytest.param("MIN(a, ?1) ?2 ?1", (5, 6), "MIN(a, $1) $2 $1", [5, 6], id="numbers"),
        pytest.param("':a?' \"?\" -- :b\n x::text", {}, "':a?' \"?\" -- :b\n x::text", [], id="left alone"),
        pytest.param("'it''s :a' || :b", {"b": 1}, "'it''s :a' || $1", [1], id="quote in a string"),
        pytest.param(
            "id IN (SELECT value FROM json_each(:ids)) AND a = :a",
            {"a": 1, "ids": "[]"},
            "id IN (SELECT value FROM json_array_elements_text(CAST($1 AS json)) AS listed(value)) AND a = $2",
            ["[]", 1],
            id="a list",
        ),
        pytest.param("FROM runs INDEXED BY old WHERE a = :a", {"a": 1}, "FROM runs WHERE a = $1", [1], id="a hint"),
        pytest.param("a = :a", {"a": "x\0y"}, "a = $1", ["x?y"], id="NUL, which PostgreSQL cannot hold"),
    ],
)  # fmt: skip
def test_a_statement_is_translated(sql: str, given: object, translated: str, arguments: list[object]) -> None:
    found = dialect.translated(sql)

    assert (found.sql, found.arguments(given)) == (translated, arguments)  # type: ignore[arg-type]
