"""The broker's rules without a network: octets, starting positions, epochs, addresses, partitions."""

import uuid
from datetime import UTC, datetime

import pytest
from azure.eventhub._pyamqp import _decode, _encode

from responder.simulator.amqp import (
    broker,
    cbs,
    decoding,
    encoding,
    errors,
    faults,
    framing,
    logs,
    messages,
    namespaces,
    performatives,
    positions,
    readers,
)

VALUES = [
    pytest.param(encoding.NULL, None, id="null"),
    pytest.param(encoding.boolean(True), True, id="true"),
    pytest.param(encoding.uint(0), 0, id="zero"),
    pytest.param(encoding.uint(255), 255, id="smallest uint"),
    pytest.param(encoding.uint(256), 256, id="uint"),
    pytest.param(encoding.ulong(2**40), 2**40, id="ulong"),
    pytest.param(encoding.long(-5), -5, id="long"),
    pytest.param(encoding.timestamp(1_700_000_000_000), 1_700_000_000_000, id="timestamp"),
    pytest.param(encoding.binary(b"x" * 300), b"x" * 300, id="long binary"),
    pytest.param(encoding.uuid(uuid.UUID(int=7)), uuid.UUID(int=7), id="uuid"),
    pytest.param(encoding.sequence([encoding.uint(n) for n in range(300)]), list(range(300)), id="long list"),
]


@pytest.mark.parametrize(("encoded", "value"), VALUES)
def test_values_are_read_the_same_by_the_real_client_and_by_us(encoded: bytes, value: object) -> None:
    theirs = _decode._DECODE_BY_CONSTRUCTOR[encoded[0]](memoryview(encoded)[1:])[1]
    assert decoding.decode(encoded) == (value, len(encoded))
    assert decoding.skip(encoded, 0) == len(encoded)
    assert theirs == value


def test_arrays_and_maps_the_real_client_writes_are_understood() -> None:
    written = bytearray()
    _encode.encode_value(written, {"list": [1, "two"], "bytes": b"3"})
    _encode.encode_array(written, [b"a", b"bc"])
    found, end = decoding.decode(bytes(written))
    assert found == {"list": [1, "two"], "bytes": b"3"}
    assert decoding.decode(bytes(written), end) == ([b"a", b"bc"], len(written))
    assert decoding.decode(encoding.strings(["0", "1"]))[0] == ["0", "1"]


@pytest.mark.parametrize("broken", [b"", b"\xa1\x05ab", b"\x00\x53", b"\xc0\x03\x02\x43", b"\x10"])
def test_what_is_no_value_is_a_decode_error(broken: bytes) -> None:
    with pytest.raises(errors.Refusal) as caught:
        decoding.decode(broken)
    assert caught.value.condition == errors.DECODE_ERROR


@pytest.mark.parametrize(
    ("body", "length"),
    [
        pytest.param(performatives.open_(container="c", max_frame=512, channel_max=9, idle_ms=1), 10, id="open"),
        pytest.param(
            performatives.begin(remote_channel=1, incoming_window=1, outgoing_window=1, handle_max=9), 8, id="begin"
        ),
        pytest.param(performatives.flow(incoming=(0, 1), outgoing=(0, 1)), 11, id="flow"),
        pytest.param(performatives.transfer_frame(0, 1, 2, False, b"")[8:], 11, id="transfer"),
        pytest.param(performatives.detach(1, closed=True), 3, id="detach"),
        pytest.param(performatives.end(), 1, id="end"),
        pytest.param(performatives.close(), 1, id="close"),
    ],
)
def test_performatives_go_out_at_their_full_length(body: bytes, length: int) -> None:
    """The real client indexes fields without looking how many there are."""
    described, _ = decoding.decode(body)
    assert len(described.value) == length


def test_frames_are_cut_out_of_any_division_of_the_stream() -> None:
    stream = framing.AMQP_HEADER + framing.frame(3, b"abc") + framing.HEARTBEAT
    reader = framing.Reader(512)
    pieces = [piece for octet in stream for piece in reader.feed(bytes([octet]))]
    assert pieces == [
        framing.AMQP_HEADER,
        framing.Frame(kind=0, channel=3, body=b"abc"),
        framing.Frame(kind=0, channel=0, body=b""),
    ]


def test_a_frame_longer_than_agreed_is_refused() -> None:
    with pytest.raises(errors.Refusal, match="600 octets"):
        list(framing.Reader(512).feed(framing.frame(0, bytes(592))))


def test_the_logs_annotations_win_and_the_producers_keep_their_types() -> None:
    sent = messages.read(
        encoding.described(
            messages.ANNOTATIONS,
            encoding.mapping(
                [
                    (encoding.symbol("x-opt-sequence-number"), encoding.long(99)),
                    (encoding.symbol("x-mine"), encoding.ushort(7)),
                ]
            ),
        )
        + encoding.described(messages.DATA, encoding.binary(b"body"))
    )
    stamped = sent.stamped(messages.Stamp(sequence=1, offset="20", enqueued=3))
    assert messages.read(stamped).value(messages.ANNOTATIONS) == {
        "x-opt-sequence-number": 1,
        "x-mine": 7,
        "x-opt-offset": "20",
        "x-opt-enqueued-time": 3,
    }
    assert encoding.ushort(7) in stamped
    assert messages.read(stamped).body == b"body"


def a_log(events: int) -> logs.PartitionLog:
    log = logs.PartitionLog("0")
    for number in range(events):
        log.append(messages.compose(b"x", {}), enqueued=1000 * number)
    return log


@pytest.mark.parametrize(
    ("selector", "start"),
    [
        pytest.param(None, 0, id="no selector"),
        pytest.param("amqp.annotation.x-opt-offset > '-1'", 0, id="the beginning"),
        pytest.param("amqp.annotation.x-opt-offset > '@latest'", 3, id="the end"),
        pytest.param("amqp.annotation.x-opt-sequence-number > '2'", 3, id="behind the last"),
        pytest.param("amqp.annotation.x-opt-sequence-number >= '1'", 1, id="a sequence number, inclusive"),
        pytest.param("amqp.annotation.x-opt-enqueued-time > '500'", 1, id="a moment between two events"),
        pytest.param("amqp.annotation.x-opt-enqueued-time > '9000'", 3, id="a moment to come"),
    ],
)
def test_selectors_lead_to_an_index(selector: str | None, start: int) -> None:
    assert positions.start(selector, a_log(3)) == start


@pytest.mark.parametrize(
    "selector",
    [
        pytest.param("amqp.annotation.x-opt-offset > '99999'", id="offset beyond the end"),
        pytest.param("amqp.annotation.x-opt-sequence-number > '3'", id="sequence number beyond the end"),
        pytest.param("colour = 'red'", id="not understood"),
    ],
)
def test_a_position_the_log_cannot_know_is_an_argument_error(selector: str) -> None:
    """As a checkpoint of a hub that was deleted and made again is."""
    with pytest.raises(errors.Refusal) as caught:
        positions.start(selector, a_log(3))
    assert caught.value.condition == errors.ARGUMENT_ERROR


class Link:
    """A receiver that only remembers whether it was evicted."""

    def __init__(self, epoch: int | None) -> None:
        self.epoch = epoch
        self.evicted: str | None = None

    def evict(self, refusal: errors.Refusal) -> None:
        self.evicted = refusal.condition


SEAT = readers.Seat(hub="hub", group="$default", partition="0")


@pytest.mark.parametrize(
    ("seated", "newcomer", "evicted"),
    [
        pytest.param(0, 0, True, id="an equal epoch evicts"),
        pytest.param(0, 1, True, id="a higher epoch evicts"),
        pytest.param(None, 0, True, id="any epoch evicts one without"),
        pytest.param(None, None, False, id="without epochs both read"),
    ],
)
def test_who_is_admitted_and_who_must_go(seated: int | None, newcomer: int | None, evicted: bool) -> None:
    seats, old = readers.Readers(), Link(seated)
    seats.admit(SEAT, old)
    seats.admit(SEAT, Link(newcomer))
    assert old.evicted == (errors.LINK_STOLEN if evicted else None)
    assert len(seats.of("HUB", "0")) == (1 if evicted else 2)


@pytest.mark.parametrize("newcomer", [4, None])
def test_a_lower_epoch_or_none_is_not_admitted(newcomer: int | None) -> None:
    seats, old = readers.Readers(), Link(5)
    seats.admit(SEAT, old)
    with pytest.raises(errors.Refusal) as caught:
        seats.admit(SEAT, Link(newcomer))
    assert caught.value.condition == errors.LINK_STOLEN
    assert old.evicted is None


def test_a_sixth_reader_without_an_epoch_is_one_too_many() -> None:
    seats = readers.Readers()
    for _ in range(readers.MAX_READERS):
        seats.admit(SEAT, Link(None))
    with pytest.raises(errors.Refusal) as caught:
        seats.admit(SEAT, Link(None))
    assert caught.value.condition == errors.LIMIT_EXCEEDED


def test_addresses_name_hub_group_and_partition() -> None:
    assert namespaces.address("amqps://127.0.0.1:5671/hub/ConsumerGroups/audit/Partitions/3") == namespaces.Address(
        hub="hub", group="audit", partition="3"
    )
    assert namespaces.address("hub/Partitions/0") == namespaces.Address(hub="hub", partition="0")


def test_a_partition_or_hub_that_is_not_there_is_named_in_the_refusal() -> None:
    local = broker.Broker({"hub": 2})
    with pytest.raises(errors.Refusal, match="should be between 0 and 1"):
        local.publish("hub", b"", partition=2)
    with pytest.raises(errors.Refusal, match="nowhere' could not be found"):
        local.publish("nowhere", b"")


def test_published_events_go_round_the_partitions_and_can_be_read_back() -> None:
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    local = broker.Broker({"hub": 2}, clock=lambda: moment)
    assert [local.publish("hub", b"x", properties={"n": str(n)}) for n in range(3)] == [(0, 0), (1, 0), (0, 1)]
    assert [(event.partition, event.sequence, event.properties) for event in local.events("hub")] == [
        (0, 0, {"n": "0"}),
        (0, 1, {"n": "2"}),
        (1, 0, {"n": "1"}),
    ]
    assert local.events("hub")[0].enqueued_at == moment


def test_a_token_is_answered_to_the_message_that_carried_it() -> None:
    """The correlation id is the request's message id, in the type it was written in."""
    asked = uuid.uuid4()
    header = encoding.sequence([encoding.uuid(asked), *[encoding.NULL] * 12])
    pairs = [("operation", "put-token"), ("name", "sb://127.0.0.1/hub")]
    properties = encoding.mapping((encoding.string(key), encoding.string(value)) for key, value in pairs)
    request = messages.read(
        encoding.described(messages.PROPERTIES, header) + encoding.described(messages.APPLICATION, properties)
    )
    namespace = namespaces.Namespace({"Hub": 1}, (), lambda: datetime(2026, 3, 2, tzinfo=UTC))
    hub, accepted = cbs.put_token(request, namespace, None)
    _, failed = cbs.put_token(request, namespace, faults.TokenFailure(status=401, description="no"))
    assert hub == "hub"
    assert _decode.decode_payload(memoryview(accepted)).properties.correlation_id == asked
    assert messages.read(accepted).application_properties["status-code"] == 202
    assert messages.read(failed).application_properties["status-code"] == 401
