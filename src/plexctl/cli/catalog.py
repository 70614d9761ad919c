"""`plexctl catalog refresh`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from plexctl.cli.options import Json, seconds
from plexctl.cli.sessions import open_session
from plexctl.cli.wishes import Provider
from plexctl.errors import ConfigurationError, PlexError, ProviderError, UsageError
from plexctl.output import Output

if TYPE_CHECKING:
    from plexctl.catalog.refresh import Outcome

_ACTIONS = ("refresh",)


def catalog(
    action: Annotated[str, typer.Argument(metavar="refresh", help="Read the providers' own prices.")],
    provider: Provider = None,
    timeout: Annotated[str, typer.Option("--timeout", help="How long each provider may take.")] = "15s",
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Renew the prices: `catalog refresh`."""
    from plexctl.catalog import today
    from plexctl.catalog.refresh import refresh
    from plexctl.catalog.wishes import providers_of
    from plexctl.nearest import nearest

    if action not in _ACTIONS:
        raise UsageError(f"catalog cannot {action!r}{nearest(action, _ACTIONS)}", hint="plexctl catalog refresh")
    output = Output(as_json)
    session = open_session(output)
    names = [name for name in providers_of(provider) if name not in ("local", "ssh")]
    day = today(session.environ, session.now())
    outcomes = refresh(session.home, session.environ, names, day, seconds(timeout, "--timeout") or 0)
    output.table(
        ("PROVIDER", "OUTCOME", "ROWS", "CHANGED", ""),
        [[one.provider, one.outcome, str(one.rows), str(one.changed), one.message] for one in outcomes],
    )
    data: dict[str, object] = {
        "as_of": day.isoformat(),
        "providers": [
            {name: getattr(one, name) for name in ("provider", "outcome", "rows", "changed", "message")}
            for one in outcomes
        ],
    }
    if not any(one.outcome == "renewed" for one in outcomes):
        raise _nothing_renewed(outcomes, data)
    output.document("catalog", data)


def _nothing_renewed(outcomes: list[Outcome], data: dict[str, object]) -> PlexError:
    failed = [one for one in outcomes if one.outcome == "failed"]
    if failed:
        words = "; ".join(f"{one.provider}: {one.message}" for one in failed)
        return ProviderError(f"no prices were renewed: {words}", hint="the old ones are kept, and marked", data=data)
    words = "; ".join(f"{one.provider}: {one.message}" for one in outcomes) or "nothing to ask was named"
    return ConfigurationError(f"no prices were renewed: {words}", hint="the snapshot is used until then", data=data)
