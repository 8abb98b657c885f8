"""Spoiled bodies: neighbours are recovered, nothing raises, nothing takes for ever."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from responder.core import payloads
from responder.core.payloads import UNEXPECTED, budgets, documents

FOLDER = Path(__file__).parent / "payloads"
VALID = sorted(FOLDER.glob("*.json"))
MEGABYTE = 1 << 20


def load(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def record(tracking_id: str = "QX7T-2B8") -> dict[str, Any]:
    found: dict[str, Any] = load("records-incident")["records"][0]
    found["properties"]["trackingId"] = tracking_id
    return found


def ids(body: bytes) -> list[str | None]:
    return [event.tracking_id for event in payloads.parse(body).events]


def beside(*poison: str) -> bytes:
    """Records A-1 and B-2 with something between them."""
    return (
        '{"records": [' + ", ".join([json.dumps(record("A-1")), *poison, json.dumps(record("B-2"))]) + "]}"
    ).encode()


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda r: r, id="a bare record"),
        pytest.param(lambda r: [r], id="an array"),
        pytest.param(lambda r: {"records": [r]}, id="records"),
        pytest.param(lambda r: {"Records": r}, id="one record that is no array"),
        pytest.param(lambda r: [{"records": [r]}], id="an array of records"),
        pytest.param(lambda r: json.dumps({"records": [r]}), id="a string"),
        pytest.param(lambda r: json.dumps(json.dumps({"records": [r]})), id="a string in a string"),
        pytest.param(lambda r: [json.dumps(r)], id="an array of strings"),
        pytest.param(lambda r: {"records": [json.dumps(r)]}, id="records that are strings"),
        pytest.param(lambda r: {"records": json.dumps([r])}, id="records in a string"),
        pytest.param(lambda r: {"records": {"0": r}}, id="records by number"),
        pytest.param(lambda r: {"id": "7", "body": r}, id="wrapped by a relay"),
        pytest.param(lambda r: {"id": "7", "body": json.dumps([r])}, id="wrapped by a relay, as a string"),
    ],
)
def test_a_record_is_found_in_every_wrapping(wrap: Callable[[Any], Any]) -> None:
    parsed = payloads.parse(json.dumps(wrap(record())).encode())

    assert [event.tracking_id for event in parsed.events] == ["QX7T-2B8"]
    assert parsed.unreadable == ()
    assert parsed.events[0].actionable


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(lambda t: b"\xef\xbb\xbf" + t.encode(), id="BOM"),
        pytest.param(lambda t: t.encode("utf-16"), id="UTF-16 with a mark"),
        pytest.param(lambda t: t.encode("utf-16-le"), id="UTF-16 without"),
        pytest.param(lambda t: gzip.compress(t.encode()), id="gzip"),
        pytest.param(lambda t: b"\0" + t.encode() + b"\0\0", id="NULs around"),
        pytest.param(lambda t: t.replace('"', '\\"').encode(), id="escaped without quotes around"),
    ],
)
def test_a_body_is_read_in_every_encoding(encode: Callable[[str], bytes]) -> None:
    text = json.dumps({"records": [{**record(), "properties": {"trackingId": "QX7T-2B8", "incidentType": "Incident"}}]})

    parsed = payloads.parse(encode(text))

    assert [event.tracking_id for event in parsed.events] == ["QX7T-2B8"]
    assert parsed.unreadable == ()


def test_a_wrapping_of_several_events_loses_none_and_one_of_none_is_one_unknown_object() -> None:
    several = payloads.parse(json.dumps({"first": record("A-1"), "more": [record("B-2"), 7], "n": 3}).encode())
    none = payloads.parse(json.dumps({"first": {"a": 1}, "more": [{"b": {}}]}).encode())

    assert [event.tracking_id for event in several.events] == ["A-1", "B-2"]
    assert [each.raw for each in several.unreadable] == [b"7"]
    assert [event.kind for event in none.events] == [payloads.Kind.OTHER]


def test_single_quoted_pseudo_json_is_read() -> None:
    body = repr({"records": [{**record(), "isHIR": False, "note": None}]}).encode()

    assert ids(body) == ["QX7T-2B8"]


def test_an_apostrophe_in_single_quoted_pseudo_json_is_not_its_end() -> None:
    text = "{'time': '2026-02-11T02:30:51Z', 'category': 'ServiceHealth', 'operationName': 'x', 'properties': "
    text += "{'title': 'it's \"down\"', 'trackingId': 'QX7T-2B8'}}"

    (event,) = payloads.parse(text.encode()).events

    assert event.title == 'it\'s "down"'


def test_properties_may_be_single_quoted_inside_json() -> None:
    spoiled = record()
    spoiled["properties"] = str({"incidentType": "Incident", "trackingId": "QX7T-2B8"})

    assert ids(json.dumps(spoiled).encode()) == ["QX7T-2B8"]


@pytest.mark.parametrize("between", ["", "\n", "\r\n", ",", " \x1e", "\ufeff"])
def test_concatenated_documents_are_all_read(between: str) -> None:
    body = between.join(json.dumps({"records": [record(f"A-{n}")]}) for n in range(3)).encode()

    parsed = payloads.parse(body)

    assert [event.tracking_id for event in parsed.events] == ["A-0", "A-1", "A-2"]
    assert parsed.unreadable == ()


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param('{"category": "PostgreSQLLogs", "properties": [ 227 B blob data ]}', id="blob data"),
        pytest.param(
            '{"category": "PostgreSQLLogs", "properties": {"message": "say "hi" now"}}', id="quotes in a string"
        ),
        pytest.param(
            '{"category": "PostgreSQLLogs", "properties": {"message": "a stray " quote"}}', id="a stray quote"
        ),
        pytest.param(
            '{"category": "PostgreSQLLogs", "properties": {"message": "never closed}}', id="an unclosed string"
        ),
        pytest.param('{"category": "PostgreSQLLogs", "properties": {"message": 1}', id="a missing brace"),
        pytest.param('{"category": "PostgreSQLLogs", "properties": {"message": 1}}}', id="a brace too many"),
        pytest.param('{"category": "PostgreSQLLogs", "properties": [1}', id="a bracket that does not match"),
        pytest.param('{"category": "PostgreSQLLogs", "n": 01x}', id="a broken number"),
        pytest.param('{"category": "Post\\greSQLLogs"}', id="an invalid escape"),
        pytest.param("nonsense", id="a bare word"),
        pytest.param('{"a":' * 5_000 + "1" + "}" * 5_000, id="a bottomless record"),
    ],
)
def test_a_poisoned_record_does_not_cost_its_neighbours(poison: str) -> None:
    parsed = payloads.parse(beside(poison))

    assert [event.tracking_id for event in parsed.events] == ["A-1", "B-2"]
    assert len(parsed.unreadable) == 1
    assert parsed.unreadable[0].raw.startswith(poison[:10].encode())


def test_a_poisoned_record_in_indented_json_does_not_cost_its_neighbours() -> None:
    body = json.dumps({"records": [record("A-1"), {"message": "POISON"}, record("B-2")]}, indent=2)

    assert ids(body.replace("POISON", 'stray " quote').encode()) == ["A-1", "B-2"]


def test_a_poisoned_body_in_a_string_does_not_cost_its_records() -> None:
    assert ids(json.dumps(beside("{bad}").decode()).encode()) == ["A-1", "B-2"]


def test_a_fragment_of_a_poisoned_record_is_no_event() -> None:
    parsed = payloads.parse(beside('{"category": oops, "properties": {"title": "x", "trackingId": "C-3"}}'))

    assert [event.tracking_id for event in parsed.events] == ["A-1", "B-2"]


def test_a_number_that_nobody_can_hold_does_not_spoil_its_record() -> None:
    body = json.dumps({**record(), "durationMs": 1}).replace('"durationMs": 1', '"durationMs": ' + "9" * 6_000)

    assert ids(body.encode()) == ["QX7T-2B8"]


def test_raw_line_breaks_in_a_string_are_forgiven() -> None:
    body = json.dumps(record()).replace("Since 02:10", "Since\r\n\t02:10")

    assert ids(body.encode()) == ["QX7T-2B8"]


def test_invalid_bytes_cost_no_record_and_come_back_as_they_were() -> None:
    body = beside('{"category": BAD}').replace(b"BAD", b"\xff\xfe\x80").replace(b"Customers", b"Custom\xe9rs")

    parsed = payloads.parse(body)

    assert [event.tracking_id for event in parsed.events] == ["A-1", "B-2"]
    assert parsed.unreadable[0].raw.startswith(b'{"category": \xff\xfe\x80}')


def test_a_truncated_body_gives_the_records_before_the_break() -> None:
    body = json.dumps({"records": [record("A-1"), record("B-2")]}).encode()

    parsed = payloads.parse(body[:-40])

    assert [event.tracking_id for event in parsed.events] == ["A-1"]
    assert len(parsed.unreadable) == 1


def test_a_truncated_gzip_gives_the_records_before_the_break() -> None:
    whole = gzip.compress(json.dumps({"records": [record(f"A-{n}") for n in range(500)]}).encode())

    parsed = payloads.parse(whole[:-20])

    assert len(parsed.events) > 300
    assert parsed.unreadable[0].reason == "gzip that breaks off"


@pytest.mark.parametrize(
    "body", [b"", b"  \r\n", b"\xef\xbb\xbf", b"\0\0", b"42", b"null", b"{}", b'"text"', b"<html>", b"[[["]
)
def test_a_body_that_is_nothing_is_one_unreadable_piece(body: bytes) -> None:
    parsed = payloads.parse(body)

    assert parsed.events == ()
    assert len(parsed.unreadable) == 1


@pytest.mark.parametrize("body", [b"[]", b'{"records": []}', b'{"value": []}'])
def test_an_empty_list_is_no_complaint(body: bytes) -> None:
    assert payloads.parse(body) == payloads.Parsed((), ())


def test_a_piece_that_json_can_name_is_named() -> None:
    parsed = payloads.parse(json.dumps({"records": [record(), 7, record()]}).encode())

    assert len(parsed.events) == 2
    assert [(each.position, each.raw) for each in parsed.unreadable] == [("records[1]", b"7")]


# Work is bounded by pytest's timeout; how long one example takes on a busy machine says nothing.
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Each example reads a whole payload and prints what is in it.
relaxed_and_few = settings(relaxed, max_examples=50)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=25,
)
texts = [path.read_bytes() for path in VALID]


def holds(body: bytes) -> payloads.Parsed:
    """What is true of every body: no defect of ours, everything printable, and tests start nothing."""
    parsed = payloads.parse(body)
    assert not [each for each in parsed.unreadable if each.reason.startswith(UNEXPECTED)]
    for event in parsed.events:
        json.dumps(payloads.to_json(event), ensure_ascii=False).encode()
        assert not (event.synthetic and event.actionable)
        assert not (event.actionable and event.status is not payloads.Status.ACTIVE)
    return parsed


@relaxed
@given(st.binary(max_size=2_000))
def test_any_bytes_are_survived(body: bytes) -> None:
    holds(body)


@relaxed
@given(json_values)
def test_any_json_is_survived(value: Any) -> None:
    holds(json.dumps(value).encode())


@relaxed
@given(st.text(alphabet="{}[]\",:\\'ab1 \n", max_size=300))
def test_any_heap_of_punctuation_is_survived(text: str) -> None:
    holds(text.encode())


@relaxed
@given(st.sampled_from(texts), st.data())
def test_any_cut_and_paste_of_a_payload_is_survived(text: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    holds(text[:start] + data.draw(st.binary(max_size=20)) + text[end:])


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a value."""
    pairs = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [place for key, each in pairs for place in [(value, key), *_places(each)]]


@relaxed_and_few
@given(st.sampled_from(texts), st.data())
def test_any_value_at_any_place_of_a_payload_is_survived(text: bytes, data: st.DataObject) -> None:
    value = json.loads(text)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(_places(value)))
        container[key] = data.draw(json_values)
    holds(json.dumps(value).encode())


SYNTHETIC = st.sampled_from([True, "True", "true", 1, "TRUE", "yes"])


@relaxed_and_few
@given(
    st.sampled_from(["common-incident", "activitylogs-incident", "records-incident", "record-event-properties"]),
    st.sampled_from(["isSynthetic", "IsSynthetic", "issynthetic"]),
    SYNTHETIC,
    st.data(),
)
def test_no_mutation_of_a_synthetic_event_makes_it_actionable(
    name: str, key: str, flag: Any, data: st.DataObject
) -> None:
    text = json.dumps(load(name)).replace('"IsSynthetic": "False"', f'"{key}": {json.dumps(flag)}')
    value = json.loads(text)
    for _ in range(data.draw(st.integers(0, 4))):
        places = [(c, k) for c, k in _places(value) if "synth" not in str(k).lower() and not _holds_flag(c[k])]
        container, place = data.draw(st.sampled_from(places))
        container[place] = data.draw(json_values)

    assert not any(event.actionable for event in holds(json.dumps(value).encode()).events)


def _holds_flag(value: Any) -> bool:
    return "synthetic" in json.dumps(value).lower()


RECORD = (
    b'{"time":"2026-02-11T02:30:51Z","category":"ServiceHealth","operationName":"x","properties":{"stage":"Active"}}'
)
Shape = Callable[[int], bytes]
HOSTILE: dict[str, Shape] = {
    "opening brackets": lambda n: b"[" * n,
    "opening braces": lambda n: b'{"a":' * (n // 5),
    "nested and closed": lambda n: b'{"a":' * (n // 6) + b"1" + b"}" * (n // 6),
    "braces only": lambda n: b"{" * (n // 2) + b"}" * (n // 2),
    "quotes": lambda n: b'"' * n,
    "escaped quotes": lambda n: b'"' + b'\\"' * (n // 2),
    "back to back": lambda n: b"}{" * (n // 2),
    "many small objects": lambda n: b'{"a":1}' * (n // 7),
    "many empty objects": lambda n: b"[" + b"{}," * (n // 3) + b"{}]",
    "single quotes": lambda n: b"{'" * (n // 2),
    "single quotes and blanks": lambda n: b"{" + b"' " * (n // 2),
    "single-quoted values": lambda n: b"{\"a\":'b'}," * (n // 10),
    "turned inside out": lambda n: b'"}},{' * (n // 5),
    "a long number": lambda n: b"1" * n,
    "blanks": lambda n: b'{"a"' + b" " * n,
    "back-slashes": lambda n: b"\\" * n,
    "invalid bytes": lambda n: b"\xff" * n,
    "line breaks and braces": lambda n: b'{"a":\n' * (n // 6),
    "every second record broken": lambda n: b'{"records":[' + (RECORD + b",{bad},") * (n // len(RECORD) // 2) + b"]}",
    "broken at six levels": lambda n: b'{"records":[' + b'{"a":{"b":{"c":{"d":{"e":{"f":x}}}}}},' * (n // 40) + b"]}",
    "tags": lambda n: json.dumps({"eventType": "ServiceIssue", "title": "<" * n}).encode(),
    "keys": lambda n: b"{" + b",".join(b'"k%d":1' % i for i in range(n // 12)) + b"}",
    "regions": lambda n: json.dumps(
        {"eventType": "RCA", "impact": [{"impactedService": "s", "impactedRegions": [f"r{i}" for i in range(n // 11)]}]}
    ).encode(),
    "single-quoted records": lambda n: str(
        {"records": [{"category": "ServiceHealth", "operationName": "x", "properties": {"a": "it's"}}] * (n // 100)}
    ).encode(),
    "brackets that close and are broken": lambda n: (
        b'{"records":[' + (b'{"a":[' * 30 + b"x" + b"]}" * 30 + b",") * (n // 250) + b"]}"
    ),
    "small records": lambda n: b'{"records":[' + b",".join([RECORD] * (n // len(RECORD))) + b"]}",
    "records in strings in strings": lambda n: json.dumps(
        {"records": [json.dumps({"records": [json.dumps({"a": 1})] * 10})] * (n // 220)}
    ).encode(),
    "strings that look like lists": lambda n: (
        b'{"records":['
        + b",".join([RECORD.replace(b'"Active"', json.dumps("[" * 60 + "{'" * 20).encode())] * (n // 200))
        + b"]}"
    ),
    "regions in prose": lambda n: json.dumps(
        {"eventType": "ServiceIssue", "name": "A", "service": "PostgreSQL", "region": "East US 2," * (n // 10)}
    ).encode(),
    "services in regions": lambda n: json.dumps(
        {
            "eventType": "ServiceIssue",
            "impact": [{"impactedService": f"s{i}", "impactedRegions": ["r"] * 60} for i in range(n // 350)],
        }
    ).encode(),
    "services without regions": lambda n: json.dumps(
        {"eventType": "ServiceIssue", "name": "A", "impact": ["Storage"] * (n // 11)}
    ).encode(),
    "lists in strings, not escaped": lambda n: b'{"records":[' + b'{"x":"[{"a":1}]"},' * (n // 18) + b"]}",
    "rows of a table": lambda n: json.dumps(
        {"tables": [{"columns": [{"name": f"c{i}"} for i in range(n // 100)], "rows": [[1]] * (n // 8)}]}
    ).encode(),
    "gzip of braces": lambda n: gzip.compress(b"{}" * (min(n * 4, documents.MOST_UNPACKED) // 2)),
    "gzip of gzips": lambda n: gzip.compress(b"") * (n // 21),
}
"""Malice by the byte: the same shape in any size."""


def bounded(body: bytes) -> budgets.Budget:
    """Nothing is lost silently, and the work, which is counted and not timed, keeps within every limit."""
    parsed, work = payloads.measured(body)
    assert not [each for each in parsed.unreadable if each.reason.startswith(UNEXPECTED)]
    assert parsed.events or parsed.unreadable
    assert len(parsed.events) + len(parsed.unreadable) <= 2 * payloads.MOST_PIECES + 2
    assert work.size <= documents.MOST_UNPACKED
    assert work.pieces <= budgets.MOST_PIECES
    assert work.readings <= budgets.MOST_READINGS
    assert work.characters <= work.most_characters <= 12 * work.size + MEGABYTE
    assert work.tokens <= budgets.MOST_TOKENS
    return work


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HOSTILE)
def test_malice_is_bounded_work(name: str) -> None:
    bounded(HOSTILE[name](MEGABYTE))


@pytest.mark.parametrize("name", sorted({*HOSTILE} - {"gzip of braces"}))
def test_work_grows_no_faster_than_the_body(name: str) -> None:
    small, large = (bounded(HOSTILE[name](size)) for size in (MEGABYTE // 64, MEGABYTE // 16))
    for of in ("characters", "readings", "tokens", "pieces"):
        assert getattr(large, of) <= 5 * getattr(small, of) + 50


def records_of_a_megabyte(*, in_strings: bool) -> list[dict[str, Any]]:
    one = record()
    if in_strings:
        one["properties"] = json.dumps(one["properties"])
    return [record_of(one, f"A-{number}") for number in range(MEGABYTE // len(json.dumps(one)))]


def record_of(one: dict[str, Any], tracking_id: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(one).replace("QX7T-2B8", tracking_id))
    return loaded


@pytest.mark.parametrize("in_strings", [False, True])
@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda rs: json.dumps({"records": rs}), id="as it should be"),
        pytest.param(lambda rs: json.dumps({"records": [*rs, "X"]}).replace('"X"', "{x}"), id="one poisoned"),
        pytest.param(lambda rs: "".join(json.dumps({"records": [r]}) for r in rs), id="concatenated"),
        pytest.param(lambda rs: "".join(str({"records": [r]}) for r in rs), id="concatenated, in single quotes"),
        pytest.param(lambda rs: json.dumps(json.dumps({"records": [json.dumps(r) for r in rs]})), id="strings"),
    ],
)
def test_no_limit_is_in_the_way_of_a_megabyte_of_records(wrap: Callable[[Any], str], in_strings: bool) -> None:
    records = records_of_a_megabyte(in_strings=in_strings)
    parsed = payloads.parse(wrap(records).encode())

    assert len(parsed.events) == len(records) > 400
    assert not [each for each in parsed.unreadable if each.reason.startswith("not read")]


def test_what_lies_beyond_a_limit_is_set_apart_with_the_limit_as_its_reason() -> None:
    small = b'{"category":"ServiceHealth","operationName":"x","properties":{"a":1}}'
    many = b'{"records":[' + b",".join([small] * (payloads.MOST_PIECES + 5)) + b"]}"
    wide = b"{" + b",".join(b'"k%d":1' % number for number in range(budgets.MOST_FIELDS + 1)) + b"}"
    deep = b'{"records":[' + b'{"a":{"b":{"c":{"d":{"e":{"f":x}}}}}},' * 20_000 + b"]}"
    impacts = [{"impactedService": "s", "impactedRegions": [f"r{number}" for number in range(9_000)]}]
    listed = json.dumps({"eventType": "ServiceIssue", "impact": impacts}).encode()

    said = [[each.reason for each in payloads.parse(body).unreadable] for body in (many, wide, deep, listed)]

    assert said == [
        ["not read: more than 5000 pieces in one body; this is the first of the rest"],
        ["not read: more than 2000 fields in one object"],
        ["not read: more than 30000 pieces of text to be read"],
        ["not read: more than 5000 services in regions, or 2000 that do not concern us"],
    ]


def test_services_that_do_not_concern_us_crowd_out_none_that_does() -> None:
    crowd = [{"impactedService": f"s{n}", "impactedRegions": [f"r{m}" for m in range(60)]} for n in range(300)]
    ours = {"impactedService": "Azure Database for PostgreSQL", "impactedRegions": [{"impactedRegion": "East US 2"}]}
    body = {"name": "A-1", "properties": {"eventType": "ServiceIssue", "status": "Active", "impact": [*crowd, ours]}}

    (event,) = payloads.parse(json.dumps(body).encode()).events

    assert event.regions == ("eastus2",)
    assert event.actionable


def test_no_more_is_taken_out_of_a_spoiled_body_than_anybody_sends() -> None:
    body = b'{"records":[]} ' * (documents.MOST_DOCUMENTS + 10) + json.dumps(record()).encode()

    parsed = payloads.parse(body)

    assert parsed.events == ()
    assert [each.reason for each in parsed.unreadable] == [f"more than {documents.MOST_DOCUMENTS} documents"]


@pytest.mark.timeout(60)
def test_a_gzip_bomb_is_refused_unopened() -> None:
    parsed = payloads.parse(gzip.compress(b"[" * (20 * MEGABYTE)))

    assert parsed.events == ()
    assert [each.reason for each in parsed.unreadable] == [f"gzip of more than {documents.MOST_UNPACKED} bytes"]


def test_a_string_in_a_string_in_a_string_ends_somewhere() -> None:
    text = json.dumps(record())
    for _ in range(8):
        text = json.dumps(text)

    assert len(holds(text.encode()).unreadable) == 1
