"""Modal: containers that scale to zero, deployed by Modal's own client. Glue: what is asked and told is in `client`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

from plexctl.contract import Capabilities, Context, DeploymentJournal
from plexctl.errors import PlexError, ProviderError
from plexctl.model import Deployment, Finding, Level, LogLine, Need, Offer, Plan, Ref, Removal, Status, Usage
from plexctl.side_by_side import ask_all
from plexctl.spec import Spec
from plexctl.states import State
from plexctl_providers.modal import logs, prices, requests
from plexctl_providers.modal.client import Account, Life, Web
from plexctl_providers.modal.connection import connect, require_client
from plexctl_providers.modal.deploying import Deploying, endpoint_of
from plexctl_providers.modal.ending import Ending
from plexctl_providers.modal.launch import LONGEST_SESSION_S

STATE_MAP: dict[str, State] = {
    "initializing": State.CREATING,
    "deployed": State.LOADING,
    "ephemeral": State.LOADING,
    "detached": State.LOADING,
    "stopping": State.DRAINING,
    "stopped": State.STOPPED,
    "disabled": State.FAILED,
}
"""`modal.types.AppState` to ours; a deployed app may have no container, so that the gateway is asked."""
_PREFLIGHT_S = 60.0


class ModalProvider:
    """Runs the gateway as a class of a Modal app, found again by the app's name."""

    name: ClassVar[str] = "modal"
    capabilities: ClassVar[Capabilities] = Capabilities(
        scale_to_zero=True,
        stop_keeps_disk=True,
        follows_logs=True,
        secret_store=True,
        longest_session_s=LONGEST_SESSION_S,
        tls_at_edge=True,
        runs_without_gpu=True,
        updates_in_place=True,
        scaling=("modal.min_containers", "modal.max_containers"),
    )

    def __init__(self, context: Context) -> None:
        self._context = context

    def preflight(self, spec: Spec) -> list[Finding]:
        """Check the client's version, the token, and that the environment is there."""
        version = require_client()
        with self._account() as account:

            def environment() -> str:
                return account.environment(spec.modal.environment)

            answers = ask_all({"credentials": account.hello, "environment": environment}, _PREFLIGHT_S)
        credentials = answers["credentials"]
        if isinstance(credentials, Exception):
            raise credentials
        named = answers["environment"]
        found = [Finding("credentials", Level.OK, f"Modal knows the token (modal {version})")]
        if isinstance(named, ProviderError):
            fix = "`modal environment list` shows them; leave modal.environment unset for the profile's own"
            return [*found, Finding("environment", Level.FAIL, named.message, fix)]
        if isinstance(named, Exception):
            raise named
        return [*found, Finding("environment", Level.OK, f"Modal's environment is {named}")]

    def check_credentials(self) -> Finding:
        """Ask Modal whether it knows us; changes nothing."""
        try:
            with self._account() as account:
                account.hello()
        except PlexError as error:
            return Finding("modal", Level.FAIL, error.message, error.hint)
        return Finding("modal", Level.OK, "Modal knows the token")

    def offers(self, need: Need) -> list[Offer]:
        """Offer Modal's GPUs at this workspace's rates, and no GPU at all for the echo engine."""
        with self._account() as account:
            return prices.offers(need, account.rates(), self._context.now())

    def status(self, ref: Ref) -> Status:
        """Say what Modal says of the app; what the gateway says is for the core to ask."""
        try:
            return self._status(ref)
        except ProviderError as error:
            if not isinstance(error.__cause__, KeyError):
                raise
            # Modal's client itself looks states up in a table.
            return Status(State.UNKNOWN, None, f"Modal's client does not know the app's state {error.__cause__}")

    def _status(self, ref: Ref) -> Status:
        with self._account() as account:
            ending = Ending(account, self._context.now)
            for environment in ending.environments_of(ref):
                found = ending.look(ref, environment)
                if found.apps:
                    app = next((one for one in found.apps if one.state == "deployed"), found.apps[0])
                    return _status(app, account.web(ref.label, environment))
                if found.fetchers:
                    return Status(State.CREATING, None, "the weights are being fetched into the volume")
                if found.secret is not None:
                    return _ended(account, ref, environment)
        return Status(State.MISSING, None, "Modal has no such app")

    def usage(self, ref: Ref, since: float) -> Usage:
        """Count containers and read the bill; nothing is started by it."""
        with self._account() as account:
            environment = Ending(account, self._context.now).environments_of(ref)[0]
            web = account.web(ref.label, environment)
            replicas = web.containers if web else 0
            try:
                cost = float(account.billed(("plexctl-id", ref.id), since, environment))
            except PlexError as error:
                return Usage(replicas, None, f"containers: Modal; its billing report cannot be read: {error.message}")
        return Usage(replicas, cost, "Modal's billing report, without the running hour")

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Read the app's log, a stopped one's too; follow it until the app is stopped."""
        with self._account() as account:
            ending = Ending(account, self._context.now)
            for environment in ending.environments_of(ref):
                recorded = ref.first(requests.APP)
                app = account.app(ref.label, environment)
                if app is None and recorded is not None and recorded.id is not None:
                    app = account.app(recorded.id, environment)
                if app is not None:
                    read: Callable[..., Iterator[LogLine]] = logs.follow if follow else logs.read
                    yield from read(app, since=since, tail=tail)

    def find(self, name: str | None) -> list[Ref]:
        """Find deployments by the names of apps and secrets, in every environment that the token may see."""
        with self._account() as account:
            return Ending(account, self._context.now).find(name)

    def plan(self, spec: Spec, offer: Offer) -> Plan:
        """Lay out volume, secret, weights and app."""
        return requests.build_plan(spec, offer)

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Bring what is there to the plan; what is as planned gets no call that changes anything."""
        with self._account() as account:
            return Deploying(self._context, account, plan, journal).deploy()

    @contextmanager
    def serve(self, plan: Plan, journal: DeploymentJournal) -> Iterator[Deployment]:
        """Deploy for as long as the context lasts; without this process, Modal ends it for want of heartbeats."""
        with self._account() as account, Deploying(self._context, account, plan, journal).serve() as deployment:
            yield deployment

    def stop(self, ref: Ref) -> None:
        """Stop the app, and a fetch that runs; read back. Secret and volume stay for the next start."""
        with self._account() as account:
            Ending(account, self._context.now).stop(ref)

    def destroy(self, ref: Ref, *, everything: bool = False) -> Removal:
        """Stop and remove; read back. The weights' volume is kept, unless `everything` and nobody else is there."""
        with self._account() as account:
            return Ending(account, self._context.now).destroy(ref, everything=everything)

    @contextmanager
    def _account(self) -> Iterator[Account]:
        with connect(self._context.environment) as client:
            yield Account(client)


def _status(app: Life, web: Web | None) -> Status:
    state = STATE_MAP.get(app.state, State.UNKNOWN)
    endpoint = endpoint_of(web.url) if web and web.url else None
    if web is None or state is not State.LOADING:
        return Status(state, endpoint, f"Modal calls the app {app.state}")
    if web.containers:
        return Status(state, endpoint, f"{web.containers} container(s) up")
    if web.waiting:
        words = f"{web.waiting} request(s) wait: no container is up yet; a GPU may not be free, or the image is loading"
        return Status(state, endpoint, words)
    return Status(state, endpoint, "no container is up; the next request starts one")


def _ended(account: Account, ref: Ref, environment: str) -> Status:
    """Say how an app ended that is not among the live ones, while its secret waits for a start."""
    recorded = ref.first(requests.APP)
    app = account.app(recorded.id, environment) if recorded and recorded.id else None
    life = account.life(app) if app is not None else None
    if life is None:
        return Status(State.STOPPED, None, "its secret is there, and no app")
    state = STATE_MAP.get(life.state, State.UNKNOWN)
    return Status(
        state, None, f"Modal calls the app {life.state}{f', by {life.stopped_by}' if life.stopped_by else ''}"
    )
