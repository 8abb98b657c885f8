"""Where in a log a receiver starts: the selector filters that Event Hubs understands. Pure.

Source: https://learn.microsoft.com/azure/event-hubs/event-hubs-amqp-protocol-guide and what azure-eventhub sends.
"""

import re

from responder.simulator.amqp import errors, logs

_SELECTOR = re.compile(
    r"\s*amqp\.annotation\.x-opt-(?P<what>offset|sequence-number|enqueued-time|enqueuedtimeutc)"
    r"\s*(?P<operator>>=?)\s*'?(?P<value>@latest|-?\d+)'?\s*"
)


def start(selector: str | None, log: logs.PartitionLog) -> int:
    """The index of the first entry to deliver; the log's length means: only what is yet to come.

    No selector starts at the beginning.

    Raises:
        errors.Refusal: the selector is not understood, or lies beyond the end of the log, as a checkpoint of a hub
            that was deleted and made again does.
    """
    if selector is None:
        return 0
    match = _SELECTOR.fullmatch(selector)
    if match is None:
        raise errors.Refusal(errors.ARGUMENT_ERROR, f'The filter "{selector}" is not valid.')
    if match["value"] == "@latest":
        return len(log.entries)
    value, inclusive = int(match["value"]), match["operator"] == ">="
    if match["what"] == "offset":
        last = log.last.offset if log.last else -1
        _check_known("offset", value, last)
        positions = [entry.offset for entry in log.entries]
    elif match["what"] == "sequence-number":
        _check_known("sequence number", value, len(log.entries) - 1)
        positions = [entry.sequence for entry in log.entries]
    else:
        positions = [entry.enqueued for entry in log.entries]
    # Not a bisection: the clock that gives enqueued times may have been set back.
    later = (index for index, at in enumerate(positions) if at > value or (inclusive and at == value))
    return next(later, len(log.entries))


def _check_known(what: str, value: int, last: int) -> None:
    if value > last:
        raise errors.Refusal(
            errors.ARGUMENT_ERROR,
            f"The supplied {what} '{value}' is invalid. The last {what} in the system is '{last}'",
        )
