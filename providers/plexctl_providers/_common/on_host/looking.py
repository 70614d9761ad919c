"""Looking at a host: one remote command that tells all, and what that means."""

from __future__ import annotations

from dataclasses import dataclass, replace

from plexctl.errors import ProviderError
from plexctl.model import LABEL_PREFIX, Endpoint, GpuUse, Status
from plexctl.states import State
from plexctl_providers._common.host import ADDRESS
from plexctl_providers._common.on_host.machine import Open

_UP = ("active", "activating", "deactivating", "reloading")
"""systemd's words for a unit that runs, or is being started again (systemctl(1))."""
_GPU_FIELDS = 5


@dataclass(frozen=True, slots=True)
class Sight:
    """What is true on a host; empty texts are what is not there."""

    label: str = ""
    """`plexctl-<name>-<id>` of the deployment that the host carries."""
    port: int | None = None
    """The gateway's, on the host's loopback."""
    public: str = ""
    """`host.public` of that deployment: a domain, or `ip`."""
    bootstrap: str = "idle"
    """`running`, or `idle`."""
    boots: str = ""
    """`enabled` while the next boot goes on with the bootstrap."""
    stage: str = ""
    """What the last run of bootstrap.sh said last: `stage 3/9 packages started`."""
    ended: int | None = None
    """The exit code of that run; None while it runs, or when it was killed."""
    certificate: str = ""
    """`sha256:...` of the certificate that the host made for its bare address."""
    gateway: str = ""
    """systemd's word for the unit; without systemd `active` or `ended`."""
    is_stopped: bool = False
    """plexctl stopped it."""
    said: tuple[str, ...] = ()
    """The last lines of the gateway's log."""
    gpus: tuple[GpuUse, ...] = ()
    bundle: str = ""
    secrets: str = ""
    """Hashes of what was brought; empty unless asked for."""
    expires: str = ""
    """When the gateway that was brought ends by itself, epoch seconds."""

    @property
    def is_up(self) -> bool:
        """Whether the gateway's process runs."""
        return self.gateway in _UP


def look(host: Open, *, digests: bool = False) -> Sight:
    """Ask the host, by one remote command; `digests` also of what was brought.

    Raises ProviderError for an answer that makes no sense.
    """
    done = host.script("look", *(["digests"] if digests else []))
    if done.code != 0:
        raise ProviderError(f"{host.machine.login.destination} could not be looked at: {done.err.strip()[-200:]}")
    return parse(done.out)


def parse(text: str) -> Sight:
    """Return what `look.sh` said. Raises ProviderError for what it cannot have said. Pure."""
    pairs = [line.partition(" ") for line in text.splitlines()]
    found = {word: value.strip() for word, _, value in pairs}
    try:
        return Sight(
            label=found.get("label", ""),
            port=int(found["port"]) if found.get("port") else None,
            public=found.get("public", ""),
            bootstrap=found["bootstrap"],
            boots=found.get("boots", ""),
            stage=found.get("stage", ""),
            ended=int(found["ended"]) if found.get("ended") else None,
            certificate=found.get("certificate", ""),
            gateway=found.get("gateway", ""),
            is_stopped="stopped" in found,
            said=tuple(value for word, _, value in pairs if word == "said"),
            gpus=tuple(gpu_of(value) for word, _, value in pairs if word == "gpu"),
            bundle=found.get("bundle", ""),
            secrets=found.get("secrets", ""),
            expires=found.get("expires", ""),
        )
    except (KeyError, ValueError) as error:
        raise ProviderError(f"the host said something that makes no sense: {text[:100]!r}") from error


def gpu_of(row: str) -> GpuUse:
    """Return a row of nvidia-smi: name, MiB used, MiB in all, per cent, degrees; `[N/A]` is None. Raises ValueError."""
    fields = [field.strip() for field in row.rsplit(",", _GPU_FIELDS - 1)]
    if len(fields) != _GPU_FIELDS:
        raise ValueError(row)
    return GpuUse(fields[0], *(int(field) if field.isdigit() else None for field in fields[1:]))


def status_of(sight: Sight, address: str) -> Status:
    """Return what a sight means. Pure. `address` is the host's, for the endpoint of one that serves its bare address.

    MISSING where there is no deployment, CREATING while the bootstrap runs (its stage is the detail), LOADING once
    the gateway runs, STOPPED or FAILED, with the reason in words.
    """
    if not sight.label:
        return Status(State.MISSING, None, "nothing of plexctl is on the host", sight.gpus)
    status = _state_of(sight)
    return replace(status, endpoint=endpoint_of(sight, address), gpus=sight.gpus)


def endpoint_of(sight: Sight, address: str) -> Endpoint | None:
    """Return where callers go: `tls` is `ssh` unless the host is public.

    None while nobody knows: no deployment, or the certificate for a bare address is still to be made.
    """
    if sight.port is None:
        return None
    if not sight.public:
        return _endpoint("http", f"127.0.0.1:{sight.port}", "ssh")
    if sight.public != ADDRESS:
        return _endpoint("https", sight.public, "system")
    if not sight.certificate and sight.ended != 0:
        return None
    bracketed = f"[{address}]" if ":" in address else address
    return _endpoint("https", bracketed, sight.certificate or "system")


def name_and_id(label: str) -> tuple[str, str] | None:
    """Return the name and id of a deployment's label, None for what is no label."""
    name, _, deployment_id = label.removeprefix(LABEL_PREFIX).rpartition("-")
    return (name, deployment_id) if label.startswith(LABEL_PREFIX) and name and deployment_id else None


def _state_of(sight: Sight) -> Status:
    if sight.is_stopped and not sight.is_up:
        return Status(State.STOPPED, None, "stopped; what it needs is still on the host")
    if sight.bootstrap == "running":
        return Status(State.CREATING, None, sight.stage or "the bootstrap begins")
    if sight.ended is not None:
        words = f"bootstrap.sh ended with {sight.ended}: {sight.stage}"
        return Status(State.FAILED, None, words) if sight.ended else _gateways_state(sight)
    return _cut_off(sight)


def _cut_off(sight: Sight) -> Status:
    """Return what holds where the bootstrap neither runs nor has ended."""
    if sight.boots == "enabled":
        return Status(State.CREATING, None, "the host has been restarted: the bootstrap goes on")
    if not sight.stage:
        return Status(State.FAILED, None, "its files are there, and nothing was started: deploy again")
    words = f"the bootstrap was cut off ({sight.stage}): the host was restarted or the process killed; deploy again"
    return Status(State.FAILED, None, words)


def _gateways_state(sight: Sight) -> Status:
    if sight.is_up:
        return Status(State.LOADING, None, "the gateway runs")
    reason = next((line for line in reversed(sight.said) if line.startswith("gateway draining: ")), "")
    if sight.said[-1:] == ("gateway stopped",):
        return Status(State.STOPPED, None, f"it ended: {reason.removeprefix('gateway draining: ') or 'it was told to'}")
    last = f"; it said last: {sight.said[-1]}" if sight.said else ""
    return Status(State.FAILED, None, f"the gateway does not run{last}")


def _endpoint(scheme: str, host: str, tls: str) -> Endpoint:
    return Endpoint(f"{scheme}://{host}", f"{scheme.replace('http', 'ws')}://{host}/api/chat", tls)
