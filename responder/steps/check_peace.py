"""`check_peace`: a rehearsal is no business of the night itself. Fails while an outage of the server is open.

With the parameter `force` it goes on all the same.
"""

from __future__ import annotations

from responder.core import errors, playbooks, runs, servers
from responder.steps import doors

EFFECT = "read"
ABOUT = "Fails while an outage of the server is open."
SETTINGS = (playbooks.Setting(name="force", type=playbooks.Type.FLAG, about="go on all the same"),)
OUTPUTS = (playbooks.Output(name="verdict", words=("peace", "forced"), about="peace or forced"),)


def precheck(step: playbooks.Step, run: runs.Run, server: servers.Server) -> None:
    """Refuse it before there is a run of it.

    Raises:
        RefusedError: an outage of the server is open.
    """
    if run.outage_id is not None and not run.params.get("force"):
        raise errors.RefusedError(
            "drill.outage",
            f"{server.name} is in an open outage ({run.outage_id}), and a rehearsal would stand in the way.",
            remedy="Wait until it is over, or force it (`responder drill --force`).",
        )


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Look at what is known of its outages now."""
    outage = ctx.situation.outage
    if outage is not None and not ctx.setting("force"):
        return runs.Fail(why=f"an outage of this server is open ({outage.id}); a rehearsal waits until it is over")
    return runs.Done(output={"verdict": "forced" if outage is not None else "peace"})
