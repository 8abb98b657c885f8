"""The chain of the audit: sealed, followed, broken; and what never gets into it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.core import audits

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)

texts = st.text(max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
entries = st.lists(
    st.builds(
        audits.Entry,
        at=st.just(AT),
        kind=st.sampled_from(["approve", "decision"]),
        actor=texts,
        subject=texts,
        body=st.dictionaries(texts, values, max_size=3),
    ),
    min_size=3,
    max_size=8,
)


def chain(found: list[audits.Entry]) -> list[audits.Line]:
    end, lines = audits.Head(), []
    for entry in found:
        lines.append(audits.seal(entry, end))
        end = audits.Head(number=lines[-1].number, hash=lines[-1].hash)
    return lines


@settings(max_examples=20, deadline=None)
@given(entries, st.integers(min_value=0))
def test_an_entry_in_pieces_and_its_place_give_the_hash_of_the_entry_sealed(
    found: list[audits.Entry], number: int
) -> None:
    for entry in found:
        piece, sealed = audits.draft(entry), audits.seal(entry, audits.Head(number=number, hash="ab" * 32))
        text = piece.before + piece.line.body + piece.between + str(number + 1) + piece.middle + "ab" * 32 + piece.after
        assert hashlib.sha256(text.encode()).hexdigest() == sealed.hash


def faults(lines: list[audits.Line], head: audits.Head | None) -> list[audits.Fault]:
    followed = audits.Chain()
    for line in lines:
        followed.follow(line)
    followed.close(head)
    return followed.faults


def head_of(lines: list[audits.Line]) -> audits.Head:
    return audits.Head(number=lines[-1].number, hash=lines[-1].hash)


@settings(max_examples=40)
@given(entries)
def test_whatever_is_recorded_makes_a_whole_chain_that_survives_an_export(found: list[audits.Entry]):
    lines = chain(found)
    assert faults(lines, head_of(lines)) == []
    assert [audits.line_of(json.loads(json.dumps(line.shown()))) for line in lines] == lines


@settings(max_examples=20)
@given(entries, st.data())
def test_any_one_change_breaks_it(found: list[audits.Entry], data: st.DataObject):
    lines = chain(found)
    head, at = head_of(lines), data.draw(st.integers(0, len(lines) - 1))
    other = audits.seal(audits.Entry(at=AT, kind="forged", actor="x"), audits.Head(number=at, hash=lines[at].previous))
    renumbered = [replace(line, number=line.number - 1) for line in lines[at + 1 :]]
    tampered = {
        "changed": [*lines[:at], replace(lines[at], kind="forged"), *lines[at + 1 :]],
        "removed": lines[:at] + lines[at + 1 :],
        "removed and renumbered": lines[:at] + renumbered,
        "exchanged with its hash": [*lines[:at], other, *lines[at + 1 :]],
    }
    if at:
        swapped = [replace(lines[at], number=at), replace(lines[at - 1], number=at + 1)]
        tampered["reordered"] = lines[: at - 1] + swapped + lines[at + 1 :]
    for what, broken in tampered.items():
        assert faults(broken, head) != [], what
    witness = audits.Witness()
    witness.head(str(head))
    for line in lines[:-1]:
        witness.see(line)
    witness.close(head_of(lines[:-1]))
    assert [fault.number for fault in witness.faults] == [head.number]


def test_a_line_is_verified_with_nothing_but_json_and_a_hash():
    """As deploy/audit.md tells an auditor to."""
    line = json.loads(
        json.dumps(chain([audits.Entry(at=AT, kind="approve", actor="kim é", body={"n": 1.5})])[0].shown())
    )
    claimed = line.pop("hash")
    assert claimed == hashlib.sha256(json.dumps(line, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@pytest.mark.parametrize(
    ("body", "secret"),
    [
        ({"headers": {"Authorization": "Bearer hunter2-hunter2"}}, "hunter2"),
        ({"deep": [{"api_key": "hunter2"}]}, "hunter2"),
        ({"saved": {"token": {"more": "hunter2"}}}, "hunter2"),
        ({"passwords": ["hunter2"]}, "hunter2"),
        ({"url": "https://user:hunter2@example.net/path?sig=hunter2#hunter2"}, "hunter2"),
        ({"why": "GET https://x.example/a?code=hunter2 said no"}, "hunter2"),
        ({"why": "called with Authorization: Bearer hunter2.hunter2"}, "hunter2"),
        ({"text": "Endpoint=sb://x/;SharedAccessKey=hunter2=;Entity=y"}, "hunter2"),
        ({"text": "x" * 5000 + "hunter2"}, "hunter2"),
    ],
)
def test_what_may_be_a_secret_is_left_out(body: dict[str, Any], secret: str):
    line = chain([audits.Entry(at=AT, kind="effect.intent", actor="responder", body=body)])[0]
    assert secret not in line.body


def test_what_an_auditor_needs_is_kept():
    body = {
        "url": "https://example.net/hooks/42?x=1",
        "loss": timedelta(minutes=40),
        "at": AT,
        "whole": 2400.0,
        "copy": "/subscriptions/s/resourceGroups/g/providers/Microsoft.DBforPostgreSQL/flexibleServers/orders",
        "why": "café at 3 a.m.",
    }
    assert audits.harmless(body) == {
        **body,
        "url": f"https://example.net/hooks/42?{audits.LEFT_OUT}",
        "loss": 2400,
        "at": "2026-03-01T12:00:00+00:00",
        "whole": 2400,
    }


@pytest.mark.parametrize("text", ["", "12", "12:xyz", "x:" + "a" * 64, "a" * 63])
def test_what_is_no_head_is_refused(text: str):
    with pytest.raises(ValueError, match="not a head"):
        audits.Witness().head(text)


def test_notes_with_two_heads_of_one_entry_show_that_the_chain_was_computed_anew():
    witness = audits.Witness()
    for digest in ("a", "b", "a"):
        witness.head(f"5:{digest * 64}")

    assert [(fault.number, fault.what) for fault in witness.faults] == [(5, "other")]
