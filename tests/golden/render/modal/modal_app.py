"""The deployment "personaplex" on Modal. Made by plexctl; needs modal 1.6.3 or newer and the folder image/ beside it.

    export PLEXCTL_ID=byhand  # a part of all names: another id is another deployment
    modal secret create plexctl-personaplex-byhand --from-dotenv FILE  # with HF_TOKEN and PLEXCTL_TOKEN
    modal run modal_app.py::fetch_weights  # once: 17 GB into the volume, and no GPU waits for them
    modal deploy modal_app.py  # or `modal serve`, to try it

Deploying prints the address. `plexctl probe ADDRESS` says whether it talks.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import modal

PLEXCTL_ID = os.environ.get("PLEXCTL_ID", "byhand")
NAME = f"plexctl-personaplex-{PLEXCTL_ID}"
TAGS = {
    "managed-by": "plexctl",
    "plexctl-name": "personaplex",
    "plexctl-id": PLEXCTL_ID,
}

app = modal.App(NAME, tags=TAGS)

# The code below travels pickled, so the container must run the same Python: Modal adds it to the image.
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
CONTEXT = Path(__file__).parent / "image"
image = modal.Image.from_dockerfile(CONTEXT / "Dockerfile", context_dir=CONTEXT, add_python=PYTHON)

# Made with `modal secret create`, see above: no value is ever in this file.
secret = modal.Secret.from_name(NAME, required_keys=["HF_TOKEN", "PLEXCTL_TOKEN"])

# What a container writes here is committed in the background, and once more when it ends: the weights outlive it.
weights = modal.Volume.from_name("plexctl-weights", create_if_missing=True)

SETTINGS: dict[str, str | None] = {
    "PLEXCTL_ENGINE": "personaplex",
    "PLEXCTL_ENGINES": "auto",
    "PLEXCTL_DEPLOYMENT": "personaplex",
    "PLEXCTL_MAX_SESSION_S": "3600",
    "PLEXCTL_START_TIMEOUT_S": "1800",
    "PLEXCTL_MODEL_REPO": "nvidia/personaplex-7b-v1",
}

# Modal's own packages stay out of the image's environments.
IMPORT_PATH = {"PYTHONPATH": "/opt/plexctl/src"}


@app.cls(
    image=image,
    secrets=[secret],
    volumes={"/cache": weights},
    env=SETTINGS,
    gpu=["A10"],  # the first that is free
    cpu=2.0,
    memory=8192,
    min_containers=0,
    max_containers=1,
    scaledown_window=300,  # seconds without a request until a container goes, at most
    timeout=3900,  # of one request, and a conversation is one: the gateway ends it before
    startup_timeout=900,
    serialized=True,
    include_source=False,
)
# One caller an engine; the other places are for health checks and page loads, which must not start another container.
@modal.concurrent(max_inputs=10, target_inputs=1)
class PersonaPlex:
    """The gateway, in a container with a GPU."""

    # The gateway listens at once and answers 503 until an engine is ready: loading is not a part of this time.
    @modal.web_server(8998, startup_timeout=120)
    def web(self) -> None:
        """Start the gateway."""
        self.is_leaving = False
        self.gateway = subprocess.Popen(["/opt/plexctl/entrypoint.sh"], env=os.environ | IMPORT_PATH)
        threading.Thread(target=self._leave_with_gateway, daemon=True).start()

    @modal.exit()
    def stop(self) -> None:
        """Let live conversations end: Modal gives 30 seconds."""
        self.is_leaving = True
        self.gateway.terminate()
        self.gateway.wait(timeout=25)

    def _leave_with_gateway(self) -> None:
        """End the container when the gateway has ended by itself: without it, all that is left is a bill."""
        code = self.gateway.wait()
        if not self.is_leaving:
            os._exit(code or 1)


# An app of its own, there while it runs: the other may keep containers up, and those have a GPU.
fetching = modal.App(f"{NAME}-fetch", tags=TAGS)


@fetching.function(
    image=image,
    secrets=[secret],
    volumes={"/cache": weights},
    env=SETTINGS,
    cpu=2.0,
    memory=2048,
    timeout=3600,
    serialized=True,
    include_source=False,
)
def fetch_weights() -> None:
    """Fetch what the volume lacks, with the gateway's own fetcher; it goes on where a broken one stopped."""
    # It ends when its standard input does, so that must stay open.
    command = ["/opt/plexctl/gateway/bin/python", "-m", "plexctl.gateway.weights"]
    with subprocess.Popen(command, env=os.environ | IMPORT_PATH, stdin=subprocess.PIPE) as fetcher:
        code = fetcher.wait()
    weights.commit()
    if code != 0:
        raise RuntimeError(f"the weights could not be fetched (exit code {code}): the reason stands above")
