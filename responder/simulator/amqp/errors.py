"""What the broker says when it will not do a thing: AMQP conditions, and the exception that carries one.

Knows no frames. The wording of descriptions follows what Event Hubs has been seen to answer: people search for it.
"""

DECODE_ERROR = "amqp:decode-error"
INTERNAL_ERROR = "amqp:internal-error"
NOT_ALLOWED = "amqp:not-allowed"
NOT_FOUND = "amqp:not-found"
UNAUTHORIZED = "amqp:unauthorized-access"
LIMIT_EXCEEDED = "amqp:resource-limit-exceeded"
UNATTACHED_HANDLE = "amqp:session:unattached-handle"
LINK_STOLEN = "amqp:link:stolen"
DETACH_FORCED = "amqp:link:detach-forced"
MESSAGE_TOO_LARGE = "amqp:link:message-size-exceeded"
CONNECTION_FORCED = "amqp:connection:forced"
FRAMING_ERROR = "amqp:connection:framing-error"
ARGUMENT_ERROR = "com.microsoft:argument-error"
ARGUMENT_OUT_OF_RANGE = "com.microsoft:argument-out-of-range"
SERVER_BUSY = "com.microsoft:server-busy"


class Refusal(Exception):
    """The peer asked for something it cannot have. `condition` goes on the wire as a symbol, `description` as text."""

    def __init__(self, condition: str, description: str) -> None:
        super().__init__(f"{condition}: {description}")
        self.condition = condition
        self.description = description


def unknown_entity(path: str) -> Refusal:
    """No such hub or consumer group. `path` is what follows the namespace's host name."""
    return Refusal(NOT_FOUND, f"The messaging entity 'sb://127.0.0.1/{path}' could not be found.")
