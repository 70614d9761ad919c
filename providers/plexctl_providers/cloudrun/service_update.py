"""The service: created, brought to a plan by the least change, stopped; and what its own words say of it.

A service that is as planned is told by a mark of what its template was made from: Google fills in what we leave out, so
that what is read is never equal to what was sent.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import cast
from urllib.parse import urlsplit

from plexctl.errors import ConflictError, PlexError, ProviderError
from plexctl.model import Endpoint, Ref
from plexctl_providers._common.placeholders import EXPIRES_AT, fill
from plexctl_providers.cloudrun.answers import Json, polls
from plexctl_providers.cloudrun.client import Google
from plexctl_providers.cloudrun.errors import is_lost, is_taken
from plexctl_providers.cloudrun.making import ensure
from plexctl_providers.cloudrun.place import Place, is_ours

MARK = "plexctl-template"
"""The annotation with the mark. Google keeps annotations that are not its own (discovery document of v2)."""
AGAIN = "plexctl-again"
"""The template's annotation that tells a revision from the failed one before, made of the same."""
FAILED = "CONDITION_FAILED"
_UNOBSERVED = "INGRESS_TRAFFIC_UNSPECIFIED"
"""What a service says of its ingress while no revision is active (discovery document of v2)."""
_TRIES = 4
_URL_S = 20.0
_STOP_S = 120.0
_TOLD_S = 1.0
"""After which a service says what it was told, done or not."""


def pinned(service: Json, versions: Mapping[str, str]) -> Json:
    """Return the service with each secret at its newest version's number: a new value makes a new revision."""
    found = copy.deepcopy(service)
    for variable in found["template"]["containers"][0]["env"]:
        reference = variable.get("valueSource", {}).get("secretKeyRef")
        if reference is not None and reference["secret"] in versions:
            reference["version"] = versions[reference["secret"]]
    return found


def fingerprint(service: Json, values: Mapping[str, str], versions: Mapping[str, str]) -> str:
    """Return the mark of a planned service's template; when it expires is left out, as each start has another time."""
    filled = cast("Json", fill(service, {**values, EXPIRES_AT: ""}))
    text = json.dumps(pinned(filled, versions)["template"], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def bring_up(google: Google, place: Place, ref: Ref, wanted: Json, mark: str) -> str:
    """Create the service, or change in it what differs; return its full name. What is as planned is left alone."""
    name, marked = place.service(ref.label), wanted | {"annotations": {MARK: mark}}
    for _ in range(_TRIES):
        found = google.services.get(name)
        if found is None:
            _create(google, place, ref, marked)
            return name
        if not is_ours(found, ref.id):
            raise ConflictError(f"the service {ref.label} is not plexctl's", hint="choose another --name")
        patch = difference(found, marked)
        if not patch:
            return name
        try:
            _send_patch(google, name, found, patch)
        except PlexError as error:
            if not is_lost(error) and not is_taken(error):
                raise
    raise ConflictError(f"somebody else keeps changing {ref.label}", hint="try again")


def _create(google: Google, place: Place, ref: Ref, service: Json) -> None:
    ensure(
        lambda: google.services.get(place.service(ref.label)),
        lambda: google.services.create(place.location, ref.label, service),
    )


def difference(found: Json, wanted: Json) -> Json:
    """Return the fields of a service that are to be changed, with their new values; empty when it is as planned."""
    patch: Json = {}
    new = found.get("annotations", {}).get(MARK) != wanted["annotations"][MARK]
    if new or condition_of(found).get("state") == FAILED or (is_stopped(found) and _expires(wanted)):
        patch["template"] = wanted["template"]
        patch["annotations"] = found.get("annotations", {}) | wanted["annotations"]
    if is_stopped(found) or _least(found) != _least(wanted):
        patch["scaling"] = {"scalingMode": "AUTOMATIC", **wanted["scaling"]}
    if wanted["labels"].items() - found.get("labels", {}).items():
        patch["labels"] = found.get("labels", {}) | wanted["labels"]
    if found.get("ingress", _UNOBSERVED) not in (_UNOBSERVED, wanted["ingress"]):
        patch["ingress"] = wanted["ingress"]
    return patch


def stop(google: Google, name: str) -> None:
    """Disable the service and read back that it is. One that is not there, or disabled, needs nothing.

    `MANUAL` with 0 instances is how a service is disabled without a new revision (Google's page on manual scaling,
    from memory; the fields are in the discovery document): no request starts an instance, so that nothing bills.
    """
    found = google.services.get(name)
    if found is None or is_stopped(found):
        return
    scaling = {**found.get("scaling", {}), "scalingMode": "MANUAL", "manualInstanceCount": 0}
    scaling.pop("minInstanceCount", None)
    for _ in range(_TRIES):
        try:
            _send_patch(google, name, found, {"scaling": scaling})
            break
        except PlexError as error:
            if not is_taken(error):
                raise
            found = google.services.get(name) or {}
    for gone_s in polls(_STOP_S):
        found = google.services.get(name)
        if found is None or (is_stopped(found) and not found.get("reconciling")):
            return
        if not is_stopped(found) and gone_s > _TOLD_S:
            break
    raise ProviderError(f"{name} was told to stop, and Google does not say that it has: instances may still bill")


def is_stopped(service: Json) -> bool:
    """Tell whether the service is disabled."""
    scaling = service.get("scaling", {})
    return scaling.get("scalingMode") == "MANUAL" and not scaling.get("manualInstanceCount")


def condition_of(service: Json) -> Json:
    """Return the condition that says how the service is."""
    return cast("Json", service.get("terminalCondition", {}))


def endpoint_of(google: Google, name: str) -> Endpoint | None:
    """Wait until Google tells the service's address; None when it does not, which a later status may."""
    for _ in polls(_URL_S):
        service = google.services.get(name) or {}
        endpoint = endpoint_in(service)
        if endpoint is not None or condition_of(service).get("state") == FAILED:
            return endpoint
    return None


def endpoint_in(service: Json) -> Endpoint | None:
    """Return the endpoint that a service tells; an emulator's is on the loopback, without TLS."""
    urls = [service.get("uri"), *service.get("urls", ())]
    url = next((one.rstrip("/") for one in urls if one), None)
    if url is None:
        return None
    parts = urlsplit(url)
    scheme, tls = ("ws", "none") if parts.scheme == "http" else ("wss", "system")
    return Endpoint(url=url, wss_url=f"{scheme}://{parts.netloc}/api/chat", tls=tls)


def _send_patch(google: Google, name: str, found: Json, patch: Json) -> None:
    fields = tuple(patch)
    if "template" in patch and found.get("annotations", {}).get(MARK) == patch["annotations"][MARK]:
        # Google makes a new revision of a template that differs; `forceNewRevision` the client does not know (0.16.2).
        again = {AGAIN: f"{found.get('generation', '1')}"}
        patch = {**patch, "template": {**patch["template"], "annotations": again}}
    etag = {"etag": found["etag"]} if "etag" in found else {}
    google.services.update({"name": name, **patch, **etag}, fields)


def _least(service: Json) -> int:
    return int(service.get("scaling", {}).get("minInstanceCount", 0))


def _expires(service: Json) -> bool:
    return any(one["name"] == EXPIRES_AT for one in service["template"]["containers"][0]["env"])
