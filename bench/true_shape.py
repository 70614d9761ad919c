"""Write a model repository of true shape with random weights, 17 GB, as `nvidia/personaplex-7b-v1` is laid out.

    python bench/true_shape.py --engine-src CHECKOUT --out FOLDER [--device cuda] [--tiny]

Run by `bench/conversation.py`, with the Python of an environment in which NVIDIA's server runs. The gated weights are
not needed: every tensor has the shape and type that upstream's own loader builds, so that what is loaded, how much
memory it takes and how long a frame takes are true; what it says is noise.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

SERVERS = Path(__file__).resolve().parents[1] / "tests" / "real" / "servers"


def main() -> None:
    """Write the files of the repository into the folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine-src", type=Path, required=True, help="a checkout of NVIDIA/personaplex")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda", help="where the random numbers are drawn")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to try the logic on a CPU")
    options = parser.parse_args()
    sys.path[:0] = [str(options.engine_src / "moshi"), str(SERVERS)]
    tiny, loaders = import_module("tiny_models"), import_module("moshi.models.loaders")
    if options.tiny:
        tiny.shrink(loaders)
    options.out.mkdir(parents=True, exist_ok=True)
    write(options.out, tiny, loaders, options.device)


def write(folder: Path, tiny: Any, loaders: Any, device: str) -> None:
    """Write checkpoints, tokenizer, voices and config.json."""
    tiny.write_codec(folder / loaders.MIMI_NAME, loaders)
    write_language_model(folder / loaders.MOSHI_NAME, loaders, device)
    pieces = loaders._lm_kwargs["text_card"]  # noqa: SLF001 - upstream's table of sizes
    (folder / loaders.TEXT_TOKENIZER_NAME).write_bytes(tokenizer(tiny.train_tokenizer(), pieces))
    (folder / "config.json").write_text(json.dumps({}), encoding="utf-8")
    tiny.write_archive(
        folder / "voices.tgz", {f"voices/{name}": tiny.voice_bytes(name, loaders) for name in tiny.VOICES}
    )


def write_language_model(path: Path, loaders: Any, device: str) -> None:
    """Write the 8,371,408,896 parameters in bf16, N(0, 0.02), norms 1."""
    torch: Any = import_module("torch")
    safetensors: Any = import_module("safetensors.torch")
    torch.manual_seed(1)
    with torch.no_grad():
        model = loaders.get_moshi_lm(None, device=torch.device(device), dtype=torch.bfloat16)
        for name, parameter in model.named_parameters():
            if name.endswith("alpha"):
                parameter.fill_(1)
            else:
                parameter.normal_(0, 0.02)
        safetensors.save_file({name: value.cpu().contiguous() for name, value in model.state_dict().items()}, str(path))


def tokenizer(small: bytes, pieces: int) -> bytes:
    """Return a sentencepiece model with as many pieces as asked for: those of a small one, and unused ones.

    Only then it needs protobuf.
    """
    if pieces <= import_module("tiny_models").TEXT_PIECES:
        return small
    model_file: Any = import_module("sentencepiece.sentencepiece_model_pb2")
    model = model_file.ModelProto.FromString(small)
    for number in range(len(model.pieces), pieces):
        piece = model.pieces.add()
        piece.piece, piece.score, piece.type = f"\u2581unused{number}", -1e6, model_file.ModelProto.SentencePiece.UNUSED
    model.trainer_spec.vocab_size = max(pieces, len(model.pieces))
    content: bytes = model.SerializeToString()
    return content


if __name__ == "__main__":
    main()
