"""Small random weights with which a real voice server keeps real time on a CPU; runs in its environment.

Both servers, Kyutai's moshi 0.2 and NVIDIA's fork of it, build their models from tables in
`moshi.models.loaders`. `shrink` makes those tables small before anything is built; `prepare` then makes
weights of that shape, once, and lays them out as a Hugging Face cache, so that the servers' own loading
code finds everything without a network. What they say is noise; what is real is the server: its protocol,
its one slot, its state, its timing.

Nothing here stands in for speech quality, memory or GPU speed.
"""

import contextlib
import hashlib
import io
import json
import os
import random
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

TEXT_PIECES = 320
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
_WORDS = """
the quick brown fox jumps over lazy dogs while seven wizards box five jolly zebras with graceful quartz vows
you are a wise and friendly teacher answer questions or provide advice in clear engaging way your name is alex
work for first neuron bank enjoy having good conversation about technology weather music travel hello goodbye
"""
_EXTRA_MARKS = ("<system>", "Jane's", "Who?", "Yes!", "No,", "end.", "A-Z", "0123456789")


def use_cpu_only(hub_cache: Path) -> None:
    """Set the process up for a small model: call it before torch or huggingface_hub is imported."""
    settings = {"NO_TORCH_COMPILE": "1", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    os.environ.update(settings, HF_HUB_CACHE=str(hub_cache))
    os.environ.pop("HF_TOKEN", None)


def shrink(loaders: Any) -> None:
    """Make the size tables of `moshi.models.loaders` small, in place: its other tables refer to them."""
    loaders._seanet_kwargs.update(_SEANET_SIZES)
    loaders._quantizer_kwargs.update(_QUANTIZER_SIZES)
    loaders._transformer_kwargs.update(_CODEC_TRANSFORMER_SIZES)
    loaders._lm_kwargs.update(_LANGUAGE_MODEL_SIZES)


def prepare(models: Path, server: str, repos: Iterable[str], hub_cache: Path, loaders: Any) -> Path:
    """Have weights for `server` under `models`, shown in the cache as each of `repos`; return their folder.

    Its name holds a hash of this file and of the loaders, so that changed sizes never meet old weights.
    """
    sources = Path(__file__).read_bytes() + Path(loaders.__file__).read_bytes()
    revision = hashlib.sha256(sources).hexdigest()[:40]
    folder = models / f"{server}-{revision}"
    if not folder.is_dir():
        models.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{server}-", dir=models) as scratch:
            made = Path(scratch, folder.name)
            made.mkdir()
            generate(made, loaders, with_voices=server == "personaplex")
            if not folder.is_dir():  # another start of the server may have made them in the meantime
                made.rename(folder)
    for repo in repos:
        _publish(folder, revision, repo, hub_cache)
    return folder


def _publish(folder: Path, revision: str, repo: str, hub_cache: Path) -> None:
    """Show `folder` as the newest revision of `repo` in a Hugging Face cache, safely beside another start."""
    entry = hub_cache / f"models--{repo.replace('/', '--')}"
    for part in ("snapshots", "refs"):
        (entry / part).mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (entry / "snapshots" / revision).symlink_to(folder)
    if not (entry / "refs" / "main").is_file() or (entry / "refs" / "main").read_text() != revision:
        (entry / "refs" / "main").write_text(revision)


def generate(folder: Path, loaders: Any, *, with_voices: bool) -> None:
    """Write a model repository: two checkpoints, tokenizer, config.json, dist.tgz, perhaps voices.tgz."""
    import_module("torch").manual_seed(20240)
    write_codec(folder / loaders.MIMI_NAME, loaders)
    _write_language_model(folder / loaders.MOSHI_NAME, loaders)
    (folder / loaders.TEXT_TOKENIZER_NAME).write_bytes(train_tokenizer())
    (folder / "config.json").write_text(json.dumps(loaders._lm_kwargs))
    write_archive(folder / "dist.tgz", {"dist/index.html": b"<!doctype html><title>voice</title>"})
    if with_voices:
        voices = {f"voices/{name}": voice_bytes(name, loaders) for name in VOICES}
        write_archive(folder / "voices.tgz", voices)


def write_codec(path: Path, loaders: Any) -> None:
    """Write a checkpoint of the audio codec, of the size that the loaders' tables have."""
    torch: Any = import_module("torch")
    safetensors: Any = import_module("safetensors.torch")
    load_model = getattr(loaders, "load_model", None)
    if load_model is None:
        codec = loaders.get_mimi(None, device="cpu")
    else:  # NVIDIA's loader fills what it builds from a file in any case: let it skip that
        loaders.load_model = lambda *_: None
        codec = loaders.get_mimi(path, device="cpu")
        loaders.load_model = load_model
    for name, buffer in codec.named_buffers():
        if name.endswith("embedding_sum"):  # zeros at first, which would make every sound the same
            buffer.copy_(0.3 * torch.randn_like(buffer))
    safetensors.save_model(codec, str(path))


def _write_language_model(path: Path, loaders: Any) -> None:
    torch: Any = import_module("torch")
    safetensors: Any = import_module("safetensors.torch")
    model = loaders.get_moshi_lm(None, device="cpu", dtype=torch.bfloat16)
    safetensors.save_file({name: value.contiguous() for name, value in model.state_dict().items()}, str(path))


def _sentences(count: int = 400) -> Iterator[str]:
    """Yield texts for the tokenizer; the real words alone would give it too few pieces."""
    chance = random.Random(TEXT_PIECES)  # noqa: S311 - a fixed sequence is wanted, not a secret one
    real = _WORDS.split()
    syllables = [first + second for first in "bcdfghklmnprstvw" for second in ("a", "en", "i", "or", "us")]
    made_up = ["".join(chance.choices(syllables, k=3)) for _ in range(600)]
    for number in range(count):
        words = chance.choices(real, k=8) + chance.choices(made_up, k=6)
        yield " ".join([_EXTRA_MARKS[number % len(_EXTRA_MARKS)], words[0].capitalize(), *words[1:]])


def train_tokenizer() -> bytes:
    """Return a sentencepiece model of `TEXT_PIECES` pieces, of which 0 and 3 are the servers' padding."""
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
    """Return a saved voice prompt as NVIDIA's server reads it: embeddings [frames, 1, 1, dim], token cache.

    Every voice is random and has its own number of frames, 4 to 21, so that no two are alike.
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


def write_archive(path: Path, files: dict[str, bytes]) -> None:
    """Write an archive and, beside it, what it holds: two servers that unpack it at once would collide."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
            unpacked = path.parent / name
            unpacked.parent.mkdir(exist_ok=True)
            unpacked.write_bytes(content)
