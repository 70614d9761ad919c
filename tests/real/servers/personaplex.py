"""Start NVIDIA's own `moshi.server` (PersonaPlex) on the loopback with small random weights, on a CPU.

    PLEXCTL_TEST_PERSONAPLEX_SRC=CHECKOUT python personaplex.py --port 8998 --models DIR [its other flags]

Runs in the environment that `environments.py personaplex` makes, on the code of a checkout of
NVIDIA/personaplex, of which no file is changed. This launcher shrinks the size tables, binds the loopback
only (upstream binds every interface whatever `--host` says) and leaves out `--cpu-offload` (it needs
accelerate and a GPU). Flags that are not its own reach upstream's parser, which refuses what it does not
know.

For each session it writes one line on standard output at the moment of the handshake:

    session voice=NATF2.pt prompt_tokens=11

with the voice and the number of prompt tokens that the model was really fed, which under contention are not
always those that the caller asked for: upstream writes every request into one shared state before it waits
for the slot.
"""

import argparse
import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.real.servers.tiny_models import prepare, shrink, use_cpu_only
else:  # beside this file: the launcher runs as a script, in an environment without plexctl
    from tiny_models import prepare, shrink, use_cpu_only

MODELS_VARIABLE = "PLEXCTL_TEST_MODELS"
SOURCE_VARIABLE = "PLEXCTL_TEST_PERSONAPLEX_SRC"
REPO = "nvidia/personaplex-7b-v1"
HANDSHAKE = b"\x00"


def parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Split the command line into what the launcher decides and what upstream's parser gets as it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--models", type=Path, default=os.environ.get(MODELS_VARIABLE))
    parser.add_argument("--hf-repo", default=REPO)
    parser.add_argument("--host", help="taken, and always 127.0.0.1")
    parser.add_argument("--device", help="taken, and always cpu")
    parser.add_argument("--cpu-offload", action="store_true", help="taken, and left out")
    options, rest = parser.parse_known_args(arguments)
    options.source = os.environ.get(SOURCE_VARIABLE)
    if options.models is None:
        parser.error(f"name a folder for the weights with --models or {MODELS_VARIABLE}")
    if options.source is None:
        parser.error(f"name a checkout of NVIDIA/personaplex with {SOURCE_VARIABLE}")
    return options, ["--host", "127.0.0.1", "--device", "cpu", "--hf-repo", options.hf_repo, *rest]


class Witness:
    """Sees what the model is prompted with, from inside the two upstream generators that feed it."""

    def __init__(self) -> None:
        self.voice = "none"
        self.prompt_tokens = 0

    def watch_prompts(self, model: Any) -> None:
        """Wrap the prompting steps of upstream's `LMGen` class; both bind their state when they first run."""
        feed_voice, feed_text = model._step_voice_prompt_core, model._step_text_prompt_core

        def voice_core(generator: Any, mimi: Any) -> Iterator[None]:
            self.voice, self.prompt_tokens = Path(generator.voice_prompt or "none").name, 0
            yield from feed_voice(generator, mimi)

        def text_core(generator: Any) -> Iterator[None]:
            self.prompt_tokens = len(generator.text_prompt_tokens or ())
            yield from feed_text(generator)

        model._step_voice_prompt_core, model._step_text_prompt_core = voice_core, text_core

    def watch_handshakes(self, response: Any) -> None:
        """Wrap `send_bytes` of aiohttp's WebSocket response, to speak just before a handshake leaves."""
        send_bytes = response.send_bytes

        async def send(socket: Any, data: bytes, *rest: Any, **named: Any) -> None:
            if data == HANDSHAKE:
                sys.stdout.write(f"session voice={self.voice} prompt_tokens={self.prompt_tokens}\n")
            await send_bytes(socket, data, *rest, **named)

        response.send_bytes = send


def bind_loopback_only(web: Any) -> None:
    """Give `run_app` the host that upstream forgets to give it."""
    run_app = web.run_app
    web.run_app = lambda app, **named: run_app(app, **{"host": "127.0.0.1", **named})


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare the weights and become the server; it returns when the server stops."""
    options, upstream_arguments = parse(arguments)
    models = options.models.resolve()
    hub_cache = models / "personaplex-hub"
    use_cpu_only(hub_cache)
    sys.path.insert(0, str(Path(options.source).resolve() / "moshi"))
    torch: Any = import_module("torch")
    torch.set_num_threads(1)
    loaders = import_module("moshi.models.loaders")
    shrink(loaders)
    prepare(models, "personaplex", {options.hf_repo, REPO}, hub_cache, loaders)
    web = import_module("aiohttp.web")
    bind_loopback_only(web)
    witness = Witness()
    witness.watch_prompts(import_module("moshi.models.lm").LMGen)
    witness.watch_handshakes(web.WebSocketResponse)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = ["moshi.server", *upstream_arguments]
    runpy.run_module("moshi.server", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
