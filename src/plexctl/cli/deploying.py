"""What `deploy` says and asks: the price before anything costs, the plan of a dry run, and how it ended."""

from __future__ import annotations

from plexctl.catalog.billing import billing_of
from plexctl.cli.logs import line_dict
from plexctl.flows import serving
from plexctl.flows.bringing import Acting, Attempt, offer_dict
from plexctl.flows.candidates import offer_words
from plexctl.flows.deploy import deploy
from plexctl.flows.observe import View
from plexctl.flows.preparing import Prepared, dicts
from plexctl.flows.session import Session
from plexctl.flows.tunnels import SSH
from plexctl.model import Finding, Level, LogLine
from plexctl.output import Output


def tell_findings(output: Output, findings: list[Finding]) -> None:
    """Tell on stderr what is not well."""
    for finding in findings:
        if finding.level is not Level.OK:
            output.note(f"{finding.level}: {finding.message}")


def confirm_price(output: Output, prepared: Prepared, *, yes: bool) -> None:
    """Ask before anything costs, with the most that another offer costs that may be tried; what is free is not."""
    offer = prepared.offer
    prices = [one.offer.price_usd_per_hour for one in prepared.all]
    if not any(price != 0 for price in prices):
        return
    where = f" in {offer.region}" if offer.region else ""
    what = f"{offer.gpu or 'no GPU'} of {prepared.provider.name}{where}"
    idle = billing_of(prepared.provider.name).idle
    others = len(prepared.others)
    more = f" (or, should that fail, {_next(others)} at up to {_dearest(prices)})" if others else ""
    words = f"{prepared.spec.name} takes {what} for {_price(offer.price_usd_per_hour)}{more}"
    output.confirm(f"{words}; idle it bills {idle}: deploy?", yes=yes)


def _next(count: int) -> str:
    return "the next offer" if count == 1 else f"the next {count} offers"


def _dearest(prices: list[float | None]) -> str:
    known = [price for price in prices if price is not None]
    return _price(None if len(known) < len(prices) else max(known))


def _price(usd_per_hour: float | None) -> str:
    return "an unknown price" if usd_per_hour is None else f"{usd_per_hour:.2f} USD per hour"


def show_plan(output: Output, prepared: Prepared) -> None:
    """Show what would be done."""
    for step in prepared.plan.steps:
        output.line(f"{step.action} {step.subject}: {step.detail}")
    output.line("nothing was done (--dry-run)")
    output.document(
        "deploy",
        {
            "dry_run": True,
            "changed": False,
            "steps": [{"action": s.action, "subject": s.subject, "detail": s.detail} for s in prepared.plan.steps],
            "resources": [{"kind": r.kind, "name": r.name, "body": dict(r.body)} for r in prepared.plan.resources],
            "offer": offer_dict(prepared.offer),
            "others": [offer_dict(one.offer) for one in prepared.others],
            "findings": dicts(prepared.findings),
        },
    )


def serve(output: Output, session: Session, prepared: Prepared, acting: Acting) -> None:
    """Serve until Ctrl-C; with --json one document a line: what came up, then its log."""
    name = prepared.spec.name

    def up(view: View, heard: dict[str, object]) -> None:
        data = view.to_dict(session.now())
        if output.as_json:
            output.stream_document({"deployment": data, "probe": heard})
            return
        _show_up(output, name, data, heard)
        output.line("it ends with this command: Ctrl-C")

    def line(one: LogLine) -> None:
        if output.as_json:
            output.stream_document(line_dict(one))
        else:
            output.line(one.text)

    left = serving.serve(session, prepared, acting, serving.Audience(up, line))
    output.note(f"{name} has ended: {left}")


def _show_up(output: Output, name: str, data: dict[str, object], heard: dict[str, object]) -> None:
    endpoint = data["endpoint"]
    if isinstance(endpoint, dict):
        on_host = ", on the host" if endpoint["tls"] == SSH else ""
        output.line(f"{name} is {data['state']} at {endpoint['url']}{on_host}")
        way = f"get there by ssh: `plexctl open {name}`" if on_host else f"connect to {endpoint['wss_url']}"
        output.line(f"  callers {way}")
    if heard:
        from plexctl.cli.probe import show_report

        show_report(output, heard)


def _show_attempts(output: Output, attempts: list[Attempt]) -> None:
    """Show what was tried, where that was more than one offer."""
    if len(attempts) > 1:
        rows = [(offer_words(one.offer), one.outcome, f"{one.seconds:.0f} s", one.reason) for one in attempts]
        output.table(("TRIED", "OUTCOME", "TOOK", "WHY"), rows)


def deploy_to_stay(output: Output, session: Session, prepared: Prepared, acting: Acting) -> None:
    """Deploy, and show how it ended."""
    deployed = deploy(session, prepared, acting)
    data = deployed.view.to_dict(session.now())
    if not deployed.changed:
        output.line(f"{prepared.spec.name} runs already as asked for: no change")
    _show_up(output, prepared.spec.name, data, deployed.probe)
    _show_attempts(output, deployed.attempts)
    output.document(
        "deploy",
        {
            "deployment": {key: data[key] for key in ("name", "provider", "id", "state")},
            "endpoint": data["endpoint"],
            "offer": offer_dict(deployed.view.record.offer),
            "findings": dicts(deployed.findings),
            "attempts": [one.to_dict() for one in deployed.attempts],
            "changed": deployed.changed,
            "probe": deployed.probe,
        },
    )
