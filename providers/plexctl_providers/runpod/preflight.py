"""What can be asked of RunPod before anything costs: the key, the money, the volume and the registry's credentials."""

from __future__ import annotations

from plexctl.contract import Context
from plexctl.errors import PlexError
from plexctl.model import Finding, Level
from plexctl.spec import Spec
from plexctl_providers._common.settings import ECHO
from plexctl_providers.runpod.account import money_findings
from plexctl_providers.runpod.bodies import PODS, REGISTRIES, VOLUMES, path_of
from plexctl_providers.runpod.client import Client, Json
from plexctl_providers.runpod.errors import is_absent, understood

_WEIGHTS_GB = 18
_OF_THIS_MACHINE = ("localhost/", "localhost:", "127.0.0.1:")


def check_key(client: Client) -> Finding:
    """Say that RunPod takes the key, which one list of pods shows. Raises CredentialsError, ProviderError."""
    client.get(PODS, "list pods")
    return Finding("credentials-runpod", Level.OK, "RunPod takes the API key")


def check_account(client: Client, context: Context, spec: Spec) -> list[Finding]:
    """Return all that RunPod says of what the spec needs. Raises CredentialsError, ProviderError."""
    return [
        check_key(client),
        *money_findings(context.environment),
        *_image(spec),
        *_volume(client, spec),
        *_registry(client, spec),
    ]


def volume_place(client: Client, volume_id: str) -> str | None:
    """Return the data centre of a network volume; None when there is no such volume."""
    found = _found(client, path_of(VOLUMES, volume_id), "read the network volume")
    return None if found is None else str(found.get("dataCenter") or "") or None


def _image(spec: Spec) -> list[Finding]:
    name = spec.image.name or ""
    if not name.startswith(_OF_THIS_MACHINE):
        return []
    words = f"RunPod cannot pull {name}: that registry is this machine's"
    return [Finding("image-pull", Level.FAIL, words, "push it to a registry on the internet (`image build --push`)")]


def _volume(client: Client, spec: Spec) -> list[Finding]:
    wish = spec.runpod
    if wish.network_volume is None or spec.engine == ECHO:
        return []
    found = _found(client, path_of(VOLUMES, wish.network_volume), "read the network volume")
    if found is None:
        words = f"there is no network volume {wish.network_volume}"
        return [Finding("network-volume-read", Level.FAIL, words, "see runpod.network_volume")]
    with understood("read the network volume"):
        place, size = str(found["dataCenter"]), int(found["size"])
    if wish.data_centers and place not in wish.data_centers:
        words = f"the network volume {wish.network_volume} is in {place}, which runpod.data_centers does not name"
        return [Finding("network-volume-read", Level.FAIL, words, f'set runpod.data_centers = ["{place}"]')]
    if size < _WEIGHTS_GB:
        words = f"the network volume of {size} GB cannot hold the weights, which take {_WEIGHTS_GB} GB"
        return [Finding("network-volume-read", Level.FAIL, words, "enlarge it in RunPod's console")]
    return [Finding("network-volume-read", Level.OK, f"the network volume has {size} GB in {place}")]


def _registry(client: Client, spec: Spec) -> list[Finding]:
    if spec.runpod.registry is None:
        return []
    if _found(client, path_of(REGISTRIES, spec.runpod.registry), "read the registry's credentials") is None:
        words = f"RunPod keeps no registry credentials {spec.runpod.registry}"
        return [Finding("registry", Level.FAIL, words, "make them in RunPod's console, and name their id")]
    return [Finding("registry", Level.OK, "RunPod keeps the registry's credentials")]


def _found(client: Client, path: str, action: str) -> Json | None:
    try:
        return client.get(path, action)
    except PlexError as error:
        if is_absent(error):
            return None
        raise
