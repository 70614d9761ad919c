"""What a checkpoint weighs, from its safetensors header alone: memory, and bytes read for each 80 ms frame.

The format (https://github.com/huggingface/safetensors#format): eight bytes of length, little endian, then that much
JSON: name to `dtype`, `shape` and `data_offsets`. No tensor's data is ever needed. What cannot be such a header is a
ConfigurationError in words; what it refuses is to guess at one.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from plexctl.errors import ConfigurationError

CONTEXT_FRAMES = 3000
"""Upstream's KV ring, allocated at the start: `context` in moshi/models/loaders.py at 3428dfd."""
MIMI_BYTES = 391_118_848
"""One Mimi in GPU memory: 373 MiB allocated for each of two on an H200 (docs/gpus.md); its file has 384,644,900."""
CODEC_STATE_BYTES = 32_505_856
"""Streaming state and KV of both Mimis: 31 MiB, measured on an H200 (docs/gpus.md)."""
MIMI_COUNT = 2
"""Upstream's server loads Mimi twice (`mimi` and `other_mimi` in moshi/server.py at 3428dfd)."""
CODEC_BYTES = MIMI_COUNT * MIMI_BYTES + CODEC_STATE_BYTES
BF16_BYTES = 2
MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""
LENGTH_BYTES = 8
_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I8", "U8", "BOOL"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""Bits of one value by safetensors dtype (`Dtype` in safetensors/src/tensor.rs, 0.6)."""
_PLAIN = {"BF16", "F16", "F32", "F64"}
_EMBEDDING = re.compile(r"(depformer_)?(text_)?emb\.")
_LAYER = re.compile(r"transformer\.layers\.(\d+)\.self_attn\.in_proj_weight")
_MAX_CONTEXT = 1_000_000
_HINT = "name a repository whose model.safetensors is a Moshi or PersonaPlex checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One model's weight in bytes, as upstream's server uses it."""

    parameters: int
    weight_bytes: int
    """As stored."""
    loaded_bytes: int
    """In GPU memory: upstream's loader puts the file there as it is and then casts every tensor to bf16, so that
    it takes the larger of the two (`get_moshi_lm` in moshi/models/loaders.py at 3428dfd)."""
    bytes_read_per_frame: int
    """Weights of transformer, depformer and heads in bf16, plus the whole KV ring; embeddings are looked up."""
    kv_bytes: int
    codec_bytes: int = CODEC_BYTES
    dtypes: Mapping[str, int] = field(default_factory=dict)
    """Parameters by safetensors dtype."""
    source: str = ""

    @property
    def is_quantised(self) -> bool:
        """Whether it holds what upstream's loader casts to bf16 without knowing its scales."""
        return not set(self.dtypes) <= _PLAIN


PERSONAPLEX_7B = Checkpoint(
    parameters=8_371_408_896,
    weight_bytes=16_742_817_792,
    loaded_bytes=16_742_817_792,
    bytes_read_per_frame=17_656_479_744,
    kv_bytes=1_572_864_000,
    dtypes={"BF16": 8_371_408_896},
    source="LMModel of NVIDIA/personaplex 3428dfd on the meta device",
)
"""nvidia/personaplex-7b-v1; a test builds it again from a header of the true shapes."""


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def values(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return -(-self.values * _BITS[self.dtype] // 8)


def checkpoint_from_header(
    header: bytes | Mapping[str, object], config: Mapping[str, object] | None = None, source: str = ""
) -> Checkpoint:
    """Return what a safetensors header (a file's first bytes, or its JSON as parsed) says.

    `config` is the model's config.json: `context`, and `num_layers` and `dim` where the header has no layers.
    Raises ConfigurationError with words for what is no header of such a model.
    """
    parsed = parse_header(header) if isinstance(header, bytes) else header
    tensors = [_tensor(name, entry) for name, entry in parsed.items() if name != "__metadata__"]
    if not tensors:
        raise _wrong("it holds no tensors")
    parameters = sum(tensor.values for tensor in tensors)
    stored = sum(tensor.bytes for tensor in tensors)
    embeddings = sum(tensor.values for tensor in tensors if _EMBEDDING.match(tensor.name))
    dtypes: Counter[str] = Counter()
    for tensor in tensors:
        dtypes[tensor.dtype] += tensor.values
    kv_bytes = _kv_bytes(tensors, config or {})
    return Checkpoint(
        parameters=parameters,
        weight_bytes=stored,
        loaded_bytes=max(stored, parameters * BF16_BYTES),
        bytes_read_per_frame=(parameters - embeddings) * BF16_BYTES + kv_bytes,
        kv_bytes=kv_bytes,
        dtypes=dict(dtypes),
        source=source,
    )


def header_length(first: bytes) -> int:
    """Return how many bytes of JSON follow the first eight. Raises ConfigurationError for an impossible length."""
    if len(first) < LENGTH_BYTES:
        raise _wrong(f"it ends after {len(first)} bytes")
    length = int.from_bytes(first[:LENGTH_BYTES], "little")
    if not 2 <= length <= MAX_HEADER_BYTES:  # noqa: PLR2004 - `{}` is the shortest
        raise _wrong(f"its header would have {length} bytes")
    return length


def parse_header(first: bytes) -> Mapping[str, object]:
    """Return the JSON of a header from a file's first bytes. Raises ConfigurationError when it is none."""
    length = header_length(first)
    text = first[LENGTH_BYTES : LENGTH_BYTES + length]
    if len(text) < length:
        raise _wrong(f"its header of {length} bytes is cut after {len(text)}")
    try:
        parsed: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise _wrong("its header is no JSON") from None
    if not isinstance(parsed, dict):
        raise _wrong("its header is no JSON object")
    return parsed


def _tensor(name: str, entry: object) -> _Tensor:
    if not isinstance(entry, dict):
        raise _wrong(f"tensor {name[:80]!r} is not described by an object")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _wrong(f"tensor {name[:80]!r} has the unknown dtype {str(dtype)[:40]!r}")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:  # noqa: PLR2004 - begin and end
        raise _wrong(f"tensor {name[:80]!r} has no usable shape or place")
    tensor = _Tensor(name, dtype, tuple(shape))
    if offsets[1] - offsets[0] != tensor.bytes:
        raise _wrong(f"tensor {name[:80]!r} takes {offsets[1] - offsets[0]} bytes, and its shape {tensor.bytes}")
    return tensor


def _are_sizes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(one) is int and 0 <= one < 1 << 63 for one in value)


def _kv_bytes(tensors: list[_Tensor], config: Mapping[str, object]) -> int:
    """Return the size of the KV ring in bf16: keys and values of every layer for every frame of context."""
    found = {int(match[1]): tensor for tensor in tensors if (match := _LAYER.fullmatch(tensor.name))}
    context = _size(config, "context", CONTEXT_FRAMES)
    if found:
        widths = {tensor.shape[-1] if tensor.shape else 0 for tensor in found.values()}
        layers, dim = len(found), max(widths)
    else:
        layers, dim = _size(config, "num_layers", 0), _size(config, "dim", 0)
    if not layers or not dim:
        raise _wrong("it holds no transformer layers of Moshi's kind, and no config.json tells their number and width")
    return 2 * layers * dim * context * BF16_BYTES


def _size(config: Mapping[str, object], key: str, default: int) -> int:
    value = config.get(key, default)
    if type(value) is not int or not 0 <= value <= _MAX_CONTEXT:
        raise ConfigurationError(f"config.json: {key} is {str(value)[:40]!r}, which is no size", hint=_HINT)
    return value


def _wrong(words: str) -> ConfigurationError:
    return ConfigurationError(f"no usable safetensors header: {words}", hint=_HINT)
