"""Small random weights with which a real voice server keeps real time on a CPU. Runs in that server's environment.

Both servers, Kyutai's moshi 0.2 and NVIDIA's fork of it, build their models from tables in `moshi.models.loaders`.
`shrink` makes those tables small before anything is built; `prepare` then makes weights of that shape, once, and
lays them out as a Hugging Face cache, so that the servers' own loading code finds everything without a network.
What they say is noise; what is real is the server: its protocol, its one slot, its state, its timing.

Nothing here stands in for speech quality, memory or GPU speed.
"""

import hashlib
import io
import json
import os
import random
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

TEXT_PIECES = 320
REVISION = "0" * 40
VOICES = tuple(
    f"{family}{number}.pt"
    for family, count in (("NATF", 4), ("NATM", 4), ("VARF", 5), ("VARM", 5))
    for number in range(count)
)

_SEANET_SIZES = {"dimension": 64, "n_filters": 8}
_QUANTIZER_SIZES = {"dimension": 32, "input_dimension": 64, "output_dimension": 64}
_CODEC_TRANSFORMER_SIZES = {
    "d_model": 64,
    "num_heads": 2,
    "num_layers": 1,
    "dim_feedforward": 128,
    "input_dimension": 64,
    "output_dimensions": [64],
}
# The 2048 audio codes stay: NVIDIA's server prompts its model with fixed codes up to 2008.
_LANGUAGE_MODEL_SIZES = {
    "dim": 64,
    "text_card": TEXT_PIECES,
    "num_heads": 2,
    "num_layers": 2,
    "depformer_dim": 32,
    "depformer_dim_feedforward": 64,
    "depformer_num_heads": 2,
    "depformer_num_layers": 1,
}
_WORDS = (
    "the quick brown fox jumps over lazy dogs while seven wizards box five jolly zebras with graceful quartz vows "
    "you are a wise and friendly teacher answer questions or provide advice in clear engaging way your name is alex "
    "work for first neuron bank enjoy having good conversation about technology weather music travel hello goodbye"
).split()
_EXTRA_MARKS = ("<system>", "Jane's", "Who?", "Yes!", "No,", "end.", "A-Z", "0123456789")


def use_cpu_only(hub_cache: Path) -> None:
    """Set the process up for a small model: call it before torch or huggingface_hub is imported."""
    os.environ.update(NO_TORCH_COMPILE="1", OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(hub_cache))
    os.environ.pop("HF_TOKEN", None)


def shrink(loaders: Any) -> None:
    """Make the size tables of `moshi.models.loaders` small, in place (its other tables refer to the same ones)."""
    loaders._seanet_kwargs.update(_SEANET_SIZES)
    loaders._quantizer_kwargs.update(_QUANTIZER_SIZES)
    loaders._transformer_kwargs.update(_CODEC_TRANSFORMER_SIZES)
    loaders._lm_kwargs.update(_LANGUAGE_MODEL_SIZES)


def prepare(models: Path, server: str, repos: Iterable[str], hub_cache: Path, loaders: Any) -> Path:
    """Have the weights for `server` under `models` and show them as each of `repos` in the cache; return their folder.

    The folder's name holds a hash of this file and of the loaders, so that changed sizes never meet old weights.
    """
    sources = Path(__file__).read_bytes() + Path(loaders.__file__).read_bytes()
    folder = models / f"{server}-{hashlib.sha256(sources).hexdigest()[:12]}"
    if not folder.is_dir():
        models.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{server}-", dir=models))
        generate(made, loaders, with_voices=server == "personaplex")
        try:
            made.rename(folder)
        except OSError:  # another start of the server made them in the meantime
            shutil.rmtree(made)
    for repo in repos:
        _publish(folder, repo, hub_cache)
    return folder


def _publish(folder: Path, repo: str, hub_cache: Path) -> None:
    """Show `folder` as the newest revision of `repo` in a Hugging Face cache."""
    entry = hub_cache / f"models--{repo.replace('/', '--')}"
    snapshot = entry / "snapshots" / REVISION
    snapshot.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        link = snapshot / file.name
        if link.is_symlink():
            link.unlink(missing_ok=True)
        link.symlink_to(file.resolve())
    (entry / "refs").mkdir(exist_ok=True)
    (entry / "refs" / "main").write_text(REVISION)


def generate(folder: Path, loaders: Any, *, with_voices: bool) -> None:
    """Write a whole model repository: two checkpoints, tokenizer, config.json, dist.tgz and perhaps voices.tgz."""
    import_module("torch").manual_seed(20240)
    _write_codec(folder / loaders.MIMI_NAME, loaders)
    _write_language_model(folder / loaders.MOSHI_NAME, loaders)
    (folder / loaders.TEXT_TOKENIZER_NAME).write_bytes(train_tokenizer())
    (folder / "config.json").write_text(json.dumps(loaders._lm_kwargs))
    _write_archive(folder / "dist.tgz", {"dist/index.html": b"<!doctype html><title>voice</title>"})
    if with_voices:
        _write_archive(folder / "voices.tgz", {f"voices/{name}": voice_bytes(name, loaders) for name in VOICES})


def _write_codec(path: Path, loaders: Any) -> None:
    torch: Any = import_module("torch")
    safetensors: Any = import_module("safetensors.torch")
    load_model, loaders.load_model = getattr(loaders, "load_model", None), lambda *_: None  # NVIDIA's must load
    load_file, loaders.load_file = loaders.load_file, lambda *_, **__: {}
    try:
        named = path if load_model else None  # Kyutai's makes an empty one when no file is named
        codec = loaders.get_mimi(named, device="cpu")
    finally:
        loaders.load_model, loaders.load_file = load_model, load_file
    for name, buffer in codec.named_buffers():
        if name.endswith("embedding_sum"):  # all zeros at first, which would make every code and sound the same
            buffer.copy_(0.3 * torch.randn_like(buffer))
    safetensors.save_model(codec, str(path))


def _write_language_model(path: Path, loaders: Any) -> None:
    torch: Any = import_module("torch")
    safetensors: Any = import_module("safetensors.torch")
    model = loaders.get_moshi_lm(None, device="cpu", dtype=torch.bfloat16)
    safetensors.save_file({name: value.contiguous() for name, value in model.state_dict().items()}, str(path))


def _sentences(count: int = 400) -> Iterator[str]:
    chance = random.Random(320)
    for number in range(count):
        words = chance.choices(_WORDS, k=12)
        yield " ".join([_EXTRA_MARKS[number % len(_EXTRA_MARKS)], words[0].capitalize(), *words[1:]])


def train_tokenizer() -> bytes:
    """Return a sentencepiece model of `TEXT_PIECES` pieces, of which 0 and 3 are the servers' own padding."""
    sentencepiece: Any = import_module("sentencepiece")
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=_sentences(),
        model_writer=written,
        vocab_size=TEXT_PIECES,
        pad_id=3,
        num_threads=1,
        minloglevel=2,
    )
    return written.getvalue()


def voice_bytes(name: str, loaders: Any) -> bytes:
    """Return one saved voice prompt as NVIDIA's server reads it: embeddings [frames, 1, 1, dim] and the token cache.

    Every voice is random from its own name and has its own number of frames, 4 to 21, so that no two are alike.
    """
    torch: Any = import_module("torch")
    index = VOICES.index(name)
    chance = torch.Generator().manual_seed(index)
    sizes = loaders._lm_kwargs
    embeddings = torch.randn((4 + index, 1, 1, sizes["dim"]), generator=chance).to(torch.bfloat16)
    steps = max(sizes["delays"]) + 3
    tokens = torch.randint(0, TEXT_PIECES, (1, sizes["n_q"] + 1, steps), generator=chance)
    written = io.BytesIO()
    torch.save({"embeddings": embeddings, "cache": tokens}, written)
    return written.getvalue()


def _write_archive(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
