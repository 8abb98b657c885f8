"""The `$cbs` node: a client puts a token for each thing it wants to reach. Any token is good; the hub must exist.

Source: https://learn.microsoft.com/azure/event-hubs/event-hubs-amqp-protocol-guide, claims-based authorization.
"""

from responder.simulator.amqp import encoding, errors, faults, messages, namespaces

NODE = "$cbs"


def put_token(
    request: messages.Message,
    namespace: namespaces.Namespace,
    failure: faults.TokenFailure | None,
) -> tuple[str | None, bytes]:
    """The hub that is now open to the client (lower case; None when it was refused), and the encoded answer.

    A hub that does not exist is refused here already, with 404, as Azure does:
    https://github.com/microsoft/MCW-Cosmos-DB-Real-Time-Advanced-Analytics/issues/25
    """
    asked = request.application_properties
    if failure is not None:
        return None, _answer(request, failure.status, failure.description)
    if asked.get("operation") != "put-token":
        return None, _answer(request, 400, f"Operation {asked.get('operation')!r} is not supported.")
    try:
        hub = namespace.hub(namespaces.address(str(asked.get("name", ""))).hub)
    except errors.Refusal as refusal:
        return None, _answer(request, 404, refusal.description)
    return hub.name.lower(), _answer(request, 202, "Accepted")


def _answer(request: messages.Message, status: int, description: str) -> bytes:
    properties = {"status-code": encoding.integer(status), "status-description": encoding.string(description)}
    return messages.reply(request, properties, encoding.NULL)
