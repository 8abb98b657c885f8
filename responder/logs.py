"""Logging: one event name per happening, the same fields for the same thing; JSON unless a person is watching."""

from __future__ import annotations

import logging
import sys

# Its console can paint tracebacks with rich, which we never let it do: 5 MB that the daemon need not hold.
_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]  # "not to be imported", as the import system documents it
import structlog  # noqa: E402

if _rich is None:
    del sys.modules["rich"]
else:
    sys.modules["rich"] = _rich


def configure(level: str) -> None:
    """Set structlog and the standard library's logging up, once, for the whole process. Logs go to stderr."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    people = sys.stderr.isatty()
    # Not the default with rich: it prints local variables, and some of them are secrets.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer = console if people else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *([] if people else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    # The SDK logs every link it opens and every reconnect; what matters of it is in our own events.
    logging.getLogger("azure").setLevel(logging.CRITICAL)
