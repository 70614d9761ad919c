"""The offline evaluation: batch only, with upstream's own flags."""

from __future__ import annotations

from pathlib import Path

from tests.images.rig import GPU, NO_GPU, PLAIN, TRICKY, TRICKY_PROMPT, local_files, run, write

from plexctl.gateway.voices import DEFAULT_VOICE
from plexctl.images import offline_files
from plexctl.spec import Spec

# The options of moshi/moshi/offline.py at the pinned commit.
UPSTREAM_FLAGS = {
    *("--input-wav", "--output-wav", "--output-text", "--text-prompt", "--voice-prompt", "--voice-prompt-dir"),
    *("--tokenizer", "--moshi-weight", "--mimi-weight", "--hf-repo", "--temp-audio", "--temp-text", "--topk-audio"),
    *("--topk-text", "--greedy", "--device", "--cpu-offload", "--seed"),
}
REQUIRED = {"--input-wav", "--output-wav", "--output-text", "--voice-prompt"}
SHOW = '#!/bin/sh\necho "NO_TORCH_COMPILE=$NO_TORCH_COMPILE"\nfor word in "$@"; do printf "%s\\0" "$word"; done\n'


def started(spec: Spec, folder: Path, *arguments: str) -> list[str]:
    """Run the script with an engine that shows its arguments; return these."""
    write(offline_files(spec) | {"python.sh": SHOW}, folder)
    env = {"PATH": "/usr/bin:/bin", "ENGINE_PYTHON": str(folder / "python.sh")}
    done = run(folder / "offline" / "evaluate.sh", *arguments, env=env)
    assert done.returncode == 0, done.stderr
    first, _, rest = done.stdout.partition("\n")
    assert first == "NO_TORCH_COMPILE=1"
    return rest.split("\0")[:-1]


def test_it_says_first_that_it_is_batch_only() -> None:
    """Who reads the first lines knows that nobody can talk to it."""
    top = offline_files(PLAIN)["offline/evaluate.sh"].splitlines()[:3]
    assert top[1].startswith("# Batch only, never real time: ")
    assert top[2].startswith("# Nobody can talk to it")


def test_it_starts_upstreams_command(tmp_path: Path) -> None:
    """Module, model and voice are given, then the caller's files and further flags as they are."""
    argv = started(PLAIN, tmp_path, "in put.wav", "out.wav", "out.json", "--seed", "1")
    assert argv[:2] == ["-m", "moshi.offline"]
    assert argv[2:6] == ["--hf-repo", "nvidia/personaplex-7b-v1", "--voice-prompt", DEFAULT_VOICE]
    assert argv[6:12] == ["--input-wav", "in put.wav", "--output-wav", "out.wav", "--output-text", "out.json"]
    assert argv[12:] == ["--seed", "1"]


def test_it_takes_model_voice_and_prompt_of_the_spec(tmp_path: Path) -> None:
    """A prompt arrives letter by letter, and every flag is one of upstream's parser."""
    argv = started(TRICKY, tmp_path, "a", "b", "c")
    assert argv[argv.index("--text-prompt") + 1] == TRICKY_PROMPT
    assert argv[argv.index("--voice-prompt") + 1] == "NATM1.pt"
    assert argv[argv.index("--hf-repo") + 1] == "me/mine"
    flags = {word for word in argv if word.startswith("--")}
    assert REQUIRED | {"--cpu-offload"} <= flags <= UPSTREAM_FLAGS


def test_without_files_it_says_how_to_use_it(tmp_path: Path) -> None:
    """Fewer than three arguments are a usage error."""
    write(offline_files(PLAIN), tmp_path)
    done = run(tmp_path / "offline" / "evaluate.sh", "in.wav")
    assert done.returncode == 2
    assert "usage: evaluate.sh INPUT.wav OUTPUT.wav OUTPUT.json" in done.stderr


def test_it_comes_with_an_engine_only() -> None:
    """`render` writes it for personaplex, and not for echo, which has nothing to evaluate."""
    assert "offline/evaluate.sh" in local_files(PLAIN, GPU)
    assert "offline/evaluate.sh" not in local_files(PLAIN, NO_GPU)
