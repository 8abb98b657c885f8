"""The errors of the house, drawn before the first class.

    ResponderError
    ├── InputError      somebody gave us something we cannot use: settings, tags, playbooks, events, arguments
    ├── RefusedError    the request is understood and the rules say no
    ├── StoreError      the journal cannot be read or written now
    └── AzureError      what Azure answered; says whether trying again makes sense

Every error carries a stable id (for searching and for scripts), the place, and the remedy. Foreign exceptions are
mapped at the adapter, with the cause chained. Secrets never become part of a message.
"""

from __future__ import annotations

from datetime import timedelta


class ResponderError(Exception):
    """Base of all our errors; `str()` is one line a tired person can act on."""

    def __init__(self, error_id: str, message: str, *, remedy: str = "", place: str = "") -> None:
        """Make an error.

        Args:
            error_id: stable, dotted: `playbook.unknown-step`. Never changes once released.
            message: what is wrong, in one sentence.
            remedy: what the reader does next.
            place: file, field, line or URL that the message is about.
        """
        self.error_id = error_id
        self.message = message
        self.remedy = remedy
        self.place = place
        super().__init__(str(self))

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        then = f" {self.remedy}" if self.remedy else ""
        return f"{where}{self.message}{then} [{self.error_id}]"

    def jsonable(self) -> dict[str, str]:
        """The error for `--json` and for HTTP answers."""
        return {"error": self.error_id, "message": self.message, "remedy": self.remedy, "place": self.place}


class InputError(ResponderError):
    """Something we were given cannot be used. Correct it at the place named."""


class RefusedError(ResponderError):
    """Understood, and not allowed. The remedy says what would make it allowed."""


class StoreError(ResponderError):
    """The journal cannot be used now. Nothing was half done."""


class AzureError(ResponderError):
    """An answer of Azure that is not a success.

    `retryable` is the only thing a caller may branch on besides `code`: a write whose fate is unknown is not
    retryable, it is to be reconciled.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None,
        retryable: bool,
        retry_after: timedelta | None = None,
        remedy: str = "",
        place: str = "",
    ) -> None:
        self.code = code
        """Azure's own code (`ServerIsBusy`), or ours for what never reached Azure (`Unreachable`, `TimedOut`)."""
        self.status = status
        """HTTP status, or None when there was no answer."""
        self.retryable = retryable
        self.retry_after = retry_after
        """How long Azure asked to wait. None: it did not say."""
        super().__init__(f"azure.{code}", message, remedy=remedy, place=place)
