"""What can be asked of Lambda before anything costs: the key, the place of the file system, and the image there."""

from __future__ import annotations

from plexctl.gpus import gpu_of_type
from plexctl.model import Finding, Level, Offer
from plexctl.spec import Spec
from plexctl_providers.lambda_cloud.account import Account
from plexctl_providers.lambda_cloud.answers import FileSystem
from plexctl_providers.lambda_cloud.making import elsewhere
from plexctl_providers.lambda_cloud.requests import instance_type, region_of


def check_key(account: Account) -> Finding:
    """Say that Lambda takes the key, which one list of instances shows. Raises CredentialsError, ProviderError."""
    account.instances()
    return Finding("credentials-lambda", Level.OK, "Lambda takes the API key")


def check_account(account: Account, spec: Spec) -> list[Finding]:
    """Return all that Lambda says of what the spec needs. Raises CredentialsError, ProviderError."""
    return [check_key(account), *_file_system(account, spec), *_image(account, spec)]


def check_place(account: Account, spec: Spec, offer: Offer) -> list[Finding]:
    """Say whether one offer's region has the file system and the image, for its kind of machine."""
    found, region = [], region_of(spec, offer)
    system = named(account, spec)
    if system is not None and system.region != region:
        error = elsewhere(system.name, system.region, region)
        found.append(Finding("file-system", Level.FAIL, error.message, error.hint))
    gpu = gpu_of_type(instance_type(offer))
    machine = gpu.machine if gpu else "x86_64"
    family = spec.lambda_.image_family
    if not any(one == (family, region, machine) for one in _places(account)):
        words = f"{region} has no image of family {family} for {machine}"
        found.append(Finding("image", Level.FAIL, words, "name another family with lambda.image_family"))
    return found


def regions_for(account: Account, spec: Spec) -> frozenset[str] | None:
    """Return the regions that a spec allows; None for all."""
    if spec.lambda_.region is not None:
        return frozenset({spec.lambda_.region})
    system = named(account, spec)
    return None if system is None else frozenset({system.region})


def named(account: Account, spec: Spec) -> FileSystem | None:
    """Return the file system that the spec names; None where it names none, or it is still to be made."""
    name = spec.lambda_.file_system
    if name is None:
        return None
    return next((one for one in account.file_systems() if one.name == name), None)


def _file_system(account: Account, spec: Spec) -> list[Finding]:
    system, wanted = named(account, spec), spec.lambda_.region
    if system is None:
        return []
    if wanted is not None and system.region != wanted:
        error = elsewhere(system.name, system.region, wanted)
        return [Finding("file-system", Level.FAIL, error.message, error.hint)]
    words = f"file system {system.name} is in {system.region}, so that the instance is launched there"
    return [Finding("file-system", Level.OK, words)]


def _image(account: Account, spec: Spec) -> list[Finding]:
    family = spec.lambda_.image_family
    families = sorted({name for name, _, _ in _places(account)})
    if family in families:
        return [Finding("image-family", Level.OK, family)]
    words = f"Lambda has no image family {family}"
    return [Finding("image-family", Level.FAIL, words, f"lambda.image_family is one of {', '.join(families)}")]


def _places(account: Account) -> list[tuple[str, str, str]]:
    return [(one.family, one.region, one.machine) for one in account.images()]
