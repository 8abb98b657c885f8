"""`python -m tests.benchmarks`: every benchmark, one after the other, and the table."""

from __future__ import annotations

import argparse
import asyncio

from responder import logs
from tests.benchmarks import estate, hub, measures, restores, store, table, waiting, webhook

_ALL = {
    "hub": hub.measure,
    "restores": restores.measure,
    "webhook": webhook.measure,
    "store": store.measure,
    "estate": estate.measure,
    "waiting": waiting.measure,
}


async def _run(names: list[str], effort: measures.Effort) -> None:
    print(table.head(), flush=True)
    for name in names:
        for row in await _ALL[name](effort):
            print(table.line(row), flush=True)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(_ALL)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="tiny counts, one turn: does it run at all?")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(_ALL):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    logs.configure("error")
    effort = measures.Effort(turns=1, scale=0.01) if arguments.quick else measures.Effort()
    asyncio.run(_run(arguments.names or list(_ALL), effort))


if __name__ == "__main__":
    main()
