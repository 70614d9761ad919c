"""The tensors of the 7B model by name and shape, and safetensors headers made of them.

Names and shapes are those of `LMModel(dep_q=16)` of NVIDIA/personaplex 3428dfd on the meta device: 475 tensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

BITS = {"BF16": 16, "F16": 16, "F32": 32, "F8_E4M3": 8, "I8": 8, "F4": 4}
DIM, DEPTH_DIM, LAYERS, DEPTH_LAYERS, STEPS, CODES, PIECES = 4096, 1024, 32, 6, 16, 2048, 32_000
GATED, DEPTH_GATED = 11_264, 2816


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield every tensor of the 7B model."""
    for step in range(STEPS):
        yield f"emb.{step}.weight", (CODES + 1, DIM)
        yield f"depformer_in.{step}.weight", (DEPTH_DIM, DIM)
        yield f"linears.{step}.weight", (CODES, DEPTH_DIM)
    for step in range(STEPS - 1):
        yield f"depformer_emb.{step}.weight", (CODES + 1, DEPTH_DIM)
    yield "text_emb.weight", (PIECES + 1, DIM)
    yield "depformer_text_emb.weight", (PIECES + 1, DEPTH_DIM)
    yield "text_linear.weight", (PIECES, DIM)
    yield "out_norm.alpha", (1, 1, DIM)
    for layer in range(LAYERS):
        place = f"transformer.layers.{layer}"
        yield from attention(place, DIM, 3 * DIM, DIM)
        yield f"{place}.gating.linear_in.weight", (2 * GATED, DIM)
        yield f"{place}.gating.linear_out.weight", (DIM, GATED)
    for layer in range(DEPTH_LAYERS):
        place = f"depformer.layers.{layer}"
        yield from attention(place, DEPTH_DIM, 3 * DEPTH_DIM * STEPS, DEPTH_DIM * STEPS)
        for step in range(STEPS):
            yield f"{place}.gating.{step}.linear_in.weight", (2 * DEPTH_GATED, DEPTH_DIM)
            yield f"{place}.gating.{step}.linear_out.weight", (DEPTH_DIM, DEPTH_GATED)


def attention(place: str, dim: int, rows_in: int, rows_out: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the attention and the two norms of a layer."""
    yield f"{place}.self_attn.in_proj_weight", (rows_in, dim)
    yield f"{place}.self_attn.out_proj.weight", (rows_out, dim)
    yield f"{place}.norm1.alpha", (1, 1, dim)
    yield f"{place}.norm2.alpha", (1, 1, dim)


def entries(dtype: str = "BF16", tensors: Iterator[tuple[str, tuple[int, ...]]] | None = None) -> dict[str, object]:
    """Return the JSON of a header, the 7B model's unless others are given."""
    found: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, shape in tensors or shapes():
        end = place + math.prod(shape) * BITS[dtype] // 8
        found[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [place, end]}
        place = end
    return found


def header(described: Mapping[str, object]) -> bytes:
    """Return the first bytes of a file with this header, padded to eight as safetensors pads it."""
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
