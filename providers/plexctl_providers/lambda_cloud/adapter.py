"""Lambda Cloud: an instance that is launched and terminated, reached by ssh."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import ClassVar

from plexctl.contract import Capabilities, Context, DeploymentJournal
from plexctl.errors import NotFoundError
from plexctl.model import Deployment, Endpoint, Finding, Level, LogLine, Need, Offer, Plan, Ref, Removal, Status
from plexctl.spec import Spec
from plexctl.states import State
from plexctl_providers._common.clock import Clock
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers._common.on_host.logs import log_lines
from plexctl_providers._common.on_host.machine import Machine
from plexctl_providers._common.on_host.rented import shell_of
from plexctl_providers._common.on_host.tunnels import tunnel
from plexctl_providers._common.ssh.errors import ConnectionLostError, LoginRefusedError, UnreachableError
from plexctl_providers.lambda_cloud import requests
from plexctl_providers.lambda_cloud.account import Account
from plexctl_providers.lambda_cloud.answers import Instance
from plexctl_providers.lambda_cloud.applying import Applying
from plexctl_providers.lambda_cloud.client import KEY, Client
from plexctl_providers.lambda_cloud.errors import KEY_HINT
from plexctl_providers.lambda_cloud.finding import found_in
from plexctl_providers.lambda_cloud.hosting import Hosting, endpoint_of, recorded_port
from plexctl_providers.lambda_cloud.offers import offers_of
from plexctl_providers.lambda_cloud.preflight import check_account, check_key, check_place, regions_for
from plexctl_providers.lambda_cloud.removal import Removing, end_all, key_belongs
from plexctl_providers.lambda_cloud.states import ACTIVE, ENDING, TERMINATED, status_of


class LambdaProvider:
    """Launches, watches and terminates one instance for each deployment."""

    name: ClassVar[str] = "lambda"
    capabilities: ClassVar[Capabilities] = Capabilities(follows_logs=True, offers_are_stock=True, stop_ends_it=True)

    def __init__(
        self,
        context: Context,
        *,
        clock: Clock = Clock(),  # noqa: B008 - it is immutable
        hosting: Callable[[Account, Context], Hosting] = Hosting,
    ) -> None:
        self._context = context
        self._account = Account(Client(context, clock))
        self._hosting = hosting(self._account, context)
        self._spec = Spec()

    def preflight(self, spec: Spec) -> list[Finding]:
        """Check key, file system and image; what the spec wishes holds for `offers` from here."""
        self._spec = spec
        return check_account(self._account, spec)

    def check_offer(self, spec: Spec, offer: Offer) -> list[Finding]:
        """Check that the region has the file system, and the image for the GPU's kind of machine."""
        return check_place(self._account, spec, offer)

    def check_credentials(self) -> Finding:
        """Say whether Lambda takes the key; who has none is told, and may not need one. Raises CredentialsError."""
        if not self._context.environment.get(KEY):
            return Finding("credentials-lambda", Level.WARN, f"{KEY} is not set: nothing was asked", KEY_HINT)
        return check_key(self._account)

    def offers(self, need: Need) -> list[Offer]:
        """Offer what has capacity, at its price of this moment."""
        day = datetime.fromtimestamp(self._context.now(), UTC).date().isoformat()
        return offers_of(self._account.types(), need, day, regions_for(self._account, self._spec))

    def status(self, ref: Ref) -> Status:
        """Say what Lambda says of the instance, and what is true on it where it can be reached."""
        instance = self._instance(ref)
        if instance is None or instance.status == TERMINATED:
            return self._status_without_instance(ref)
        status = status_of(instance)
        if instance.status != ACTIVE or instance.address is None:
            return status
        try:
            seen = self._hosting.look(ref, instance.address)
        except (UnreachableError, ConnectionLostError, LoginRefusedError) as error:
            was_reached = self._hosting.machine(ref) is not None
            state = State.UNKNOWN if was_reached else State.CREATING
            return Status(state, None, f"{status.detail}; {error.message}")
        if seen.state is State.MISSING:
            return Status(State.CREATING, None, f"{status.detail}; nothing runs on it yet")
        return seen

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Read the gateway's log on the instance; with `follow`, go on until the deployment ends."""
        machine = self._machine(ref)
        if machine is None:
            return

        def wait(seconds: float) -> None:
            if self._is_gone(ref):
                raise UnreachableError("the instance is gone, and its log with it")
            self._account.client.clock.sleep(seconds)

        try:
            yield from log_lines(machine, ref.label, follow=follow, since=since, tail=tail, sleep=wait)
        except (UnreachableError, ConnectionLostError):
            if not self._is_gone(ref):
                raise

    def find(self, name: str | None) -> list[Ref]:
        """Find deployments by the names and tags of instances, and the names of rulesets."""
        return found_in(self._account, name)

    def plan(self, spec: Spec, offer: Offer) -> Plan:
        """Lay out the instance with what it needs, and what is done on it."""
        return requests.build_plan(spec, offer)

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Launch the instance with all that it needs, or adopt the one that is there; `proceed` does the rest."""
        changed = Applying(self._account, self._hosting, plan, journal).run()
        endpoint = endpoint_of(plan)
        if endpoint is not None:
            journal.reached(endpoint)
        return Deployment(journal.ref, endpoint, changed)

    def proceed(self, plan: Plan, journal: DeploymentJournal) -> Status:
        """Bring the instance up once it has booted."""
        instance = self._instance(journal.ref)
        if instance is None or instance.status == TERMINATED:
            return self._status_without_instance(journal.ref)
        if instance.status != ACTIVE:
            return status_of(instance)
        return self._hosting.proceed(plan, journal, instance)

    def stop(self, ref: Ref) -> None:
        """Terminate the instance, which cannot be stopped, and read back; key, ruleset and file system stay."""
        end_all(self._account, ref)

    def destroy(self, ref: Ref, *, everything: bool = False) -> Removal:
        """Terminate the instance, remove its ssh key and ruleset, and read back.

        A file system stays, and is told with what it costs; with `everything` one that plexctl made goes too.
        """
        return Removing(self._account, self._context.home, ref).run(everything=everything)

    def tunnel(self, ref: Ref) -> AbstractContextManager[Endpoint]:
        """Give the gateway on this machine's loopback. Raises NotFoundError where there is no instance."""
        return tunnel(self._reached(ref), recorded_port(ref))

    def shell(self, ref: Ref) -> tuple[str, ...]:
        """Return OpenSSH's command line, which believes the pinned host key alone. Raises NotFoundError."""
        return shell_of(self._reached(ref), ref, self._context)

    def holdings(self, ref: Ref) -> list[str]:
        """List what a destroy removes: the instance, whole."""
        return [
            f"instance {one.name} ({one.kind} in {one.region}) with everything on its disk"
            for one in self._account.instances_of(ref)
        ]

    def _instance(self, ref: Ref) -> Instance | None:
        """Return a deployment's instance: the one that is recorded, else one of its name; at last one that is gone."""
        recorded = ref.first(INSTANCE)
        known = self._account.instance(recorded.id) if recorded and recorded.id else None
        if known is not None and known.status not in ENDING:
            return known
        found = self._account.instances_of(ref)
        return min(found, key=lambda one: (one.status in ENDING, one.id), default=known)

    def _status_without_instance(self, ref: Ref) -> Status:
        """Say that it was stopped where its key is kept for the next start, and is missing otherwise."""
        if any(key_belongs(key, ref) for key in self._account.ssh_keys()):
            return Status(State.STOPPED, None, "the instance was terminated; `plexctl start` launches another")
        return Status(State.MISSING, None, "Lambda has no such instance")

    def _is_gone(self, ref: Ref) -> bool:
        instance = self._instance(ref)
        return instance is None or instance.status in ENDING

    def _machine(self, ref: Ref) -> Machine | None:
        """Return the host that is recorded, or that Lambda tells."""
        recorded = self._hosting.machine(ref)
        if recorded is not None:
            return recorded
        instance = self._instance(ref)
        if instance is None or instance.address is None:
            return None
        return self._hosting.machine_at(ref, instance.address)

    def _reached(self, ref: Ref) -> Machine:
        machine = self._machine(ref)
        if machine is None:
            raise NotFoundError(f"{ref.label} has no instance at Lambda that one could log in to")
        return machine
