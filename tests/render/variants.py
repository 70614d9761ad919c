"""What is rendered and kept word for word: each target as it is by default, and with everything that can be set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden" / "render"
SURROUNDINGS = {
    "SOURCE_DATE_EPOCH": "1795219200",
    "PATH": "/nonexistent",
    "PLEXCTL_ENGINE_PYTHON": "/opt/personaplex/bin/python",
}
"""2026-11-21, no nvidia-smi, and an environment with NVIDIA's server that is not looked into."""
IMAGE = f"ghcr.io/you/personaplex@sha256:{'5' * 64}"
COMMON = """
[gateway]
voice = "NATF2.pt"
text_prompt = "Be \\"brief\\", it's a $HOME test."
idle_timeout_s = 900
max_session_s = 1800
[limits]
ttl_s = 28800
[model]
revision = "0123456789abcdef0123456789abcdef01234567"
[env]
LOG_LEVEL = "debug"
"""
"""Settings that are the same everywhere, with characters that shells and YAML trip over."""


@dataclass(frozen=True)
class Variant:
    """One command line of `plexctl render`, and the plexctl.toml beside it."""

    name: str
    argv: tuple[str, ...]
    toml: str = ""

    @property
    def provider(self) -> str:
        """Where it is for."""
        return self.argv[1]


def _full(provider: str, toml: str, *more: str) -> Variant:
    return Variant(f"{provider}-full", ("-p", provider, "--engine", "personaplex", "--name", "voice", *more), toml)


VARIANTS = (
    *(
        Variant(f"local-{profile}", ("-p", "local", "--engine", "personaplex", "--profile", profile))
        for profile in ("cu121", "cu128", "cu128-aarch64")
    ),
    *(
        Variant(f"{provider}-echo", ("-p", provider, "--engine", "echo"))
        for provider in ("local", "ssh", "modal", "cloudrun", "runpod", "vast", "lambda", "ovh")
    ),
    *(
        Variant(provider, ("-p", provider, "--engine", "personaplex"))
        for provider in ("ssh", "modal", "cloudrun", "runpod", "vast", "lambda", "ovh")
    ),
    _full("local", f'secrets = ["EXTRA"]\n{COMMON}[image]\nbase = "docker.io/library/python:3.12"\n'),
    _full(
        "ssh",
        f'secrets = ["EXTRA"]\n{COMMON}[ssh]\nhosts = ["ubuntu@gpu.example.com:2222"]\n'
        f'[host]\nruntime = "docker"\npublic = "voice.example.com"\n[image]\nname = "{IMAGE}"\n',
    ),
    _full(
        "modal",
        f'secrets = ["EXTRA"]\n{COMMON}[modal]\nenvironment = "main"\ngpu_fallbacks = ["A100-80GB", "H100"]\n'
        'regions = ["us-east"]\nmin_containers = 1\nmax_containers = 3\nscaledown_window_s = 120\n',
        *("--gpu", "L40S"),
    ),
    _full(
        "cloudrun",
        f'secrets = ["EXTRA"]\n{COMMON}[cloudrun]\nproject = "my-project"\nweights = "memory"\nprivate = true\n'
        'max_instances = 2\nservice_account = "voice@my-project.iam.gserviceaccount.com"\n',
        *("--gpu", "RTX PRO 6000"),
    ),
    _full(
        "runpod",
        f'secrets = ["EXTRA"]\n{COMMON}[image]\nname = "{IMAGE}"\n[runpod]\nexpose = "tcp"\n'
        'network_volume = "agv6w2qcg7"\nconsole_secrets = ["HF_TOKEN"]\nregistry = "clzdaifot0001l90809257ynb"\n'
        'data_centers = ["EU-RO-1"]\n',
    ),
    _full(
        "vast",
        f'secrets = ["EXTRA"]\n{COMMON}[image]\nname = "{IMAGE}"\n[vast]\ncountries = ["DE", "FR"]\n'
        'bid_usd_per_hour = 0.25\ndisk_gb = 80\ntemplate = "4e17788f74f075dd9aab7d0d4427968f"\n',
    ),
    _full(
        "lambda",
        f'secrets = ["EXTRA"]\n{COMMON}[lambda]\nregion = "us-east-1"\nfile_system = "weights"\n'
        '[host]\npublic = "ip"\nruntime = "python"\nssh_from = "203.0.113.7/32"\n',
    ),
    _full(
        "ovh",
        f'secrets = ["EXTRA"]\n{COMMON}[ovh]\nproject = "abc123"\nregion = "GRA11"\nproduct = "ai-deploy"\n'
        f'[image]\nname = "{IMAGE}"\n',
    ),
)
BY_NAME = {one.name: one for one in VARIANTS}
