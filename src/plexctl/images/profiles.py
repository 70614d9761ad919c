"""What an image is built for: the torch that a GPU's architecture needs, or none for the echo engine.

Sources: upstream pins `torch<2.5` (NVIDIA/personaplex moshi/pyproject.toml at 3428dfd), whose wheel has kernels up to
sm_90; Blackwell needs CUDA 12.8 or newer. What CUDA the default wheel of a torch is made for comes from a resolver's
answers for both machines (2026-11): 2.4.1 has 12.1, 2.7.1 12.6, 2.8 to 2.10 12.8, 2.11 and later 13.0; for aarch64 none
before 2.11 has any. Which profile a GPU needs is `plexctl.gpus.image_profile`'s to say.
"""

from __future__ import annotations

from dataclasses import dataclass

from plexctl.errors import PreflightError
from plexctl.gpus import image_profile, matching
from plexctl.spec import Spec

ECHO = "echo"
_BLACKWELL = ("sm_100", "sm_120")
_UNKNOWN_GPU = "cu121"
"""For a GPU that nobody knows: upstream's own pin."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One way to build the image. `torch` None: no engine but echo in it."""

    name: str
    torch: str | None
    cuda: str | None
    """CUDA that torch was built for; the host's driver must know it, or a newer one."""
    machine: str = "x86_64"
    architectures: tuple[str, ...] = ()
    """Kernels that its torch must have; sm_89 runs those of sm_86, and sm_121 those of sm_120."""


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("cu121", torch="torch==2.4.1", cuda="12.1", architectures=("sm_80", "sm_86", "sm_90")),
        Profile("cu128", torch="torch==2.9.1", cuda="12.8", architectures=("sm_80", "sm_86", "sm_90", *_BLACKWELL)),
        # Named for the least that Blackwell needs.
        Profile(
            "cu128-aarch64",
            torch="torch==2.11.0",
            cuda="13.0",
            machine="aarch64",
            architectures=("sm_90", *_BLACKWELL),
        ),
        Profile(ECHO, torch=None, cuda=None),
    )
}


def profile_of(spec: Spec, gpu: str | None, provider: str | None = None, *, engine: str | None = None) -> Profile:
    """Return the profile asked for, or the one that engine and GPU need. `gpu` is a name of the provider's, or ours.

    `engine` is what will run where the spec leaves it open; without it that is personaplex. Raises PreflightError for
    a GPU that no image can serve.
    """
    if spec.image.profile is not None:
        return PROFILES[spec.image.profile]
    if (spec.engine or engine) == ECHO:
        return PROFILES[ECHO]
    known = next(iter(matching(gpu, provider)), None) if gpu else None
    if known is None:
        return PROFILES[_UNKNOWN_GPU]
    found = image_profile(known)
    if found.name is None:
        raise PreflightError(f"no image can serve it: {found.reason}", hint="`plexctl gpus --real-time` lists what can")
    return PROFILES[found.name]
