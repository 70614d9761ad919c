"""`plexctl open`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from plexctl.cli.options import Json, OptionalName
from plexctl.cli.sessions import name_or_only, open_session
from plexctl.flows.tunnels import needs_ssh
from plexctl.output import Output

if TYPE_CHECKING:
    from plexctl.model import Endpoint


def open_deployment(
    name: OptionalName = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of this machine; 0: a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser", help="Open it in the browser.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Give a browser a way in, through a tunnel where it would not trust the certificate, or not get there."""
    from plexctl.flows.observe import endpoint_now
    from plexctl.flows.opening import hold_open, needs_tunnel

    output = Output(as_json)
    session = open_session(output)
    chosen = name_or_only(session, name)
    record = session.record(chosen)
    endpoint = endpoint_now(session, record)
    if not needs_tunnel(endpoint):
        _tell(output, chosen, endpoint.url, endpoint, browser=browser)
        return
    try:
        hold_open(
            session, record.ref, endpoint, port, lambda url: _tell(output, chosen, url, endpoint, browser=browser)
        )
    except KeyboardInterrupt:
        output.note("the tunnel is closed; the deployment runs on")


def _tell(output: Output, name: str, url: str, endpoint: Endpoint, *, browser: bool) -> None:
    is_tunnel = url != endpoint.url
    output.line(url)
    if is_tunnel:
        why = "on the host, by ssh" if needs_ssh(endpoint) else "whose certificate is pinned"
        output.note(f"a tunnel to {endpoint.url}, {why}; it ends with this command: Ctrl-C")
    shown = {"url": endpoint.url, "wss_url": endpoint.wss_url, "tls": endpoint.tls}
    output.document("open", {"name": name, "url": url, "is_tunnel": is_tunnel, "endpoint": shown})
    if browser:
        import webbrowser

        webbrowser.open(url)
