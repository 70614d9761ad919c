"""What an offer and a spec say to a provider in its own words: the GPU's name there, and the image to pull."""

from __future__ import annotations

from plexctl.gpus import matching
from plexctl.images import Profile, profile_of
from plexctl.model import Finding, Level, Need, Offer
from plexctl.spec import Spec
from plexctl_providers._common.placeholders import IMAGE, placeholder
from plexctl_providers._common.settings import choose_engine


def gpu_at(provider: str, name: str) -> str:
    """Return what a provider calls a GPU; the name itself where nobody knows another."""
    found = next(iter(matching(name, provider)), None)
    theirs = found.aliases.get(provider, ()) if found else ()
    return theirs[0] if theirs else name


def gpu_of(offer: Offer) -> str | None:
    """Return what the offer's provider calls its GPU."""
    return gpu_at(offer.provider, offer.gpu) if offer.gpu else None


def profile_for(spec: Spec, offer: Offer) -> Profile:
    """Return what the image for an offer is built for. Raises PreflightError for a GPU that no image can serve."""
    return profile_of(spec, offer.gpu, offer.provider, engine=choose_engine(spec, offer))


def image_of(spec: Spec) -> str:
    """Return the image to pull, or its placeholder where none is known."""
    return spec.image.name or placeholder(IMAGE)


def check_image(spec: Spec) -> list[Finding]:
    """Say whether there is an image that the provider can pull, and whether it can change under the same name."""
    if spec.image.name is None:
        words = "no image is named and none was pushed: the provider has nothing to pull"
        fix = "`plexctl image build --push` makes one, or name it with image.name"
        return [Finding("image", Level.WARN, words, fix)]
    if "@sha256:" not in spec.image.name:
        words = f"{spec.image.name} is a tag, which may be another image tomorrow"
        return [Finding("image", Level.WARN, words, "name it with its digest")]
    return [Finding("image", Level.OK, spec.image.name)]


def meets(offer: Offer, need: Need) -> bool:
    """Tell whether an offer is what a need asks; an unknown price is never below a limit."""
    gpus = matching(offer.gpu or "", offer.provider)
    price = offer.price_usd_per_hour
    return all(
        (
            need.gpu is None or offer.gpu in [gpu.name for gpu in matching(need.gpu, offer.provider)],
            need.min_vram_gib is None or any(gpu.vram_gib >= need.min_vram_gib for gpu in gpus),
            need.region in (None, offer.region),
            need.max_price_usd_per_hour is None or (price is not None and price <= need.max_price_usd_per_hour),
        )
    )
