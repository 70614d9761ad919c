"""`plexctl gc`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from plexctl.cli.options import Json, Yes
from plexctl.cli.sessions import open_session
from plexctl.output import Output

if TYPE_CHECKING:
    from plexctl.flows.surveying import Survey


def gc(
    delete: Annotated[  # noqa: FBT002
        bool, typer.Option("--delete", help="End orphans and what expired; drop ghosts.")
    ] = False,
    expired: Annotated[bool, typer.Option("--expired", help="Only what outlived its lifetime.")] = False,  # noqa: FBT002
    young: Annotated[  # noqa: FBT002
        bool, typer.Option("--young", help="Count as orphans those younger than an hour or of unknown age, too.")
    ] = False,
    all_providers: Annotated[  # noqa: FBT002
        bool, typer.Option("--all-providers", help="Fail when any provider that is set up does not answer.")
    ] = False,
    yes: Yes = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Find what bills and nobody knows, or what outlived its time; with --delete, end it."""
    from plexctl.flows.collecting import ENDS, Collected, collect
    from plexctl.flows.surveying import Scope, survey
    from plexctl.flows.tally import Tally

    output = Output(as_json)
    session = open_session(output)
    found = survey(session, Scope(only_expired=expired, takes_young=young, must_all_answer=all_providers))
    _show(output, found)
    doomed = [one for one in found.differences if one.kind in ENDS] if delete else []
    if doomed:
        output.confirm(f"end {', '.join(one.seen.ref.label for one in doomed)}?", yes=yes)
    tally = Tally(found, collect(session, doomed) if doomed else Collected())
    for one in tally.collected.deleted:
        output.line(f"ended: {one.seen.ref.label} on {one.seen.ref.provider}")
    for kept in tally.collected.kept:
        output.line(f"  kept: {kept.kind} {kept.name}: {kept.why}")
    tally.raise_what_is_left(deletes=delete)
    if not found.differences:
        output.line("nothing is there that is not as recorded")
    output.document("gc", tally.to_dict())


def _show(output: Output, found: Survey) -> None:
    if found.differences:
        output.table(
            ("WHAT", "NAME", "ID", "PROVIDER", "STATE", "USD/HOUR", "WHY"),
            [
                (
                    one.kind,
                    one.seen.ref.name,
                    one.seen.ref.id,
                    one.seen.ref.provider,
                    one.seen.status.state,
                    "?" if one.price is None else f"{one.price:.2f}",
                    one.why,
                )
                for one in found.differences
            ],
        )
    for ref in found.busy:
        output.line(f"left alone: another plexctl is changing {ref.name} right now")
    if found.not_set_up:
        output.line(f"not set up here, so not asked: {', '.join(found.not_set_up)}")
    for name, words in found.unheard.items():
        output.line(f"never used here, and could not be asked: {name}: {words}")
