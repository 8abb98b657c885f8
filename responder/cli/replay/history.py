"""The recorded outages: a table of facts with their sources, shipped, or a file of one's own."""

from __future__ import annotations

import csv
from importlib import resources
from io import StringIO
from pathlib import Path

from responder.core import errors, replays

NOTICES_MIN = (10.0, 21.0, 64.0, 127.0, 189.0, 232.0)
"""Minutes from impact start to Azure's first notice: least, p25, p50, p75, p90 and most of ten recorded."""

COLUMNS = ("tracking_id", "began", "full_h", "bulk_h", "restore_blocked")


def load(path: Path | None) -> list[replays.Incident]:
    """The incidents of a CSV file; None: those that come with the package.

    `full_h` is the time until the last server was back, `bulk_h` until most were (empty: the same), in hours since the
    impact start; `restore_blocked` is `yes` where the restore path itself was impaired.

    Raises:
        InputError: a column is missing or a number is none, with the line.
    """
    if path is None:
        place, text = "the shipped history", (resources.files(__package__) / "history.csv").read_text(encoding="utf-8")
    else:
        place, text = str(path), _read(path)
    rows = csv.DictReader(StringIO(text))
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise errors.InputError(
            "history.no-column", f"Columns are missing: {', '.join(missing)}.", remedy="Add them.", place=place
        )
    found = [_incident(row, f"{place}:{number}") for number, row in enumerate(rows, start=2)]
    if not found:
        raise errors.InputError("history.empty", "There is no outage in it.", remedy="Add a line.", place=place)
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InputError(
            "history.unreadable", "The file cannot be read.", remedy="Give the path of a CSV file.", place=str(path)
        ) from error


def _incident(row: dict[str, str], place: str) -> replays.Incident:
    try:
        full = float(row["full_h"])
        bulk = float(row["bulk_h"] or full)
    except (ValueError, TypeError) as error:
        raise errors.InputError(
            "history.no-number", "full_h or bulk_h is not a number of hours.", remedy="Correct it.", place=place
        ) from error
    if not 0 < bulk <= full < 24 * 366:
        raise errors.InputError(
            "history.implausible", "It takes 0 < bulk_h <= full_h < a year.", remedy="Correct it.", place=place
        )
    blocked = (row["restore_blocked"] or "").strip().lower() == "yes"
    name = row["tracking_id"] or row["began"]
    return replays.Incident(name=name, bulk_h=bulk, full_h=full, restore_blocked=blocked)
