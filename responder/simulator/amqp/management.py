"""The `$management` node: READ of a hub's and of a partition's properties.

Source: https://learn.microsoft.com/azure/event-hubs/event-hubs-amqp-protocol-guide, management operations.
"""

from responder.simulator.amqp import encoding, errors, messages, namespaces

NODE = "$management"


def answer(request: messages.Message, namespace: namespaces.Namespace) -> bytes:
    """The encoded answer. What cannot be found is 404, what is not understood 400."""
    asked = request.application_properties
    if str(asked.get("operation", "")).upper() != "READ":
        return _failure(request, 400, errors.ARGUMENT_ERROR, f"Operation {asked.get('operation')!r} is not supported.")
    try:
        hub = namespace.hub(str(asked.get("name", "")))
        if asked.get("type") == "com.microsoft:eventhub":
            return _success(request, _hub(hub))
        if asked.get("type") == "com.microsoft:partition":
            return _success(request, _partition(hub, str(asked.get("partition", ""))))
    except errors.Refusal as refusal:
        status = 404 if refusal.condition == errors.NOT_FOUND else 400
        return _failure(request, status, refusal.condition, refusal.description)
    return _failure(request, 400, errors.ARGUMENT_ERROR, f"Type {asked.get('type')!r} is not supported.")


def _hub(hub: namespaces.Hub) -> dict[str, bytes]:
    return {
        "type": encoding.string("com.microsoft:eventhub"),
        "name": encoding.string(hub.name),
        "created_at": encoding.timestamp(namespaces.milliseconds(hub.created_at)),
        "partition_count": encoding.integer(len(hub.partitions)),
        "partition_ids": encoding.strings([log.name for log in hub.partitions]),
    }


def _partition(hub: namespaces.Hub, name: str) -> dict[str, bytes]:
    log = hub.partition(name)
    last = log.last
    return {
        "type": encoding.string("com.microsoft:partition"),
        "name": encoding.string(hub.name),
        "partition": encoding.string(log.name),
        "begin_sequence_number": encoding.long(0),
        "last_enqueued_sequence_number": encoding.long(last.sequence if last else -1),
        "last_enqueued_offset": encoding.string(str(last.offset) if last else "-1"),
        "last_enqueued_time_utc": encoding.timestamp(last.enqueued if last else 0),
        "is_partition_empty": encoding.boolean(last is None),
    }


def _success(request: messages.Message, values: dict[str, bytes]) -> bytes:
    properties = {"status-code": encoding.integer(200), "status-description": encoding.string("OK")}
    return messages.reply(request, properties, encoding.mapping((encoding.string(k), raw) for k, raw in values.items()))


def _failure(request: messages.Message, status: int, condition: str, description: str) -> bytes:
    properties = {
        "status-code": encoding.integer(status),
        "status-description": encoding.string(description),
        "error-condition": encoding.symbol(condition),
    }
    return messages.reply(request, properties, encoding.NULL)
