from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gpus.shapes import BITS, entries, header

from plexctl.errors import ConfigurationError
from plexctl.gpus import PERSONAPLEX_7B, budget, checkpoint_from_header
from plexctl.gpus.checkpoint import MAX_HEADER_BYTES
from plexctl.gpus.memory import GIB

TRUE = header(entries())
LAYER = "transformer.layers.0.self_attn.in_proj_weight"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def tensor(dtype: object = "BF16", shape: object = (12, 4), offsets: object = None) -> dict[str, object]:
    """Return one tensor's entry; by default a whole one of 48 values."""
    return {
        "dtype": dtype,
        "shape": list(shape) if isinstance(shape, tuple) else shape,
        "data_offsets": offsets or [0, 96],
    }


def test_the_7b_model_is_known_from_its_header_alone() -> None:
    """8,371,408,896 parameters and 16,742,817,792 bytes, and everything else that is built in, from 60 KB."""
    found = checkpoint_from_header(TRUE, {})
    assert len(TRUE) < 64 << 10
    assert (found.parameters, found.weight_bytes) == (8_371_408_896, 16_742_817_792)
    assert found == replace(PERSONAPLEX_7B, source="")


def test_bytes_read_agree_with_what_was_measured() -> None:
    """A frame reads 13.416 GB of main model, 2.668 of depformer and 1.573 of KV: 17.66 GB (docs/gpus.md)."""
    assert PERSONAPLEX_7B.bytes_read_per_frame / 1e9 == pytest.approx(13.416 + 2.668 + 1.573, abs=0.005)
    assert PERSONAPLEX_7B.kv_bytes == 1500 << 20


@pytest.mark.parametrize("dtype", sorted(BITS))
def test_each_dtype_is_weighed_as_stored_and_as_loaded(dtype: str) -> None:
    """Stored bytes follow the dtype; in GPU memory upstream has the larger of the file and its cast to bf16."""
    found = checkpoint_from_header(header(entries(dtype)), {})
    assert found.parameters == PERSONAPLEX_7B.parameters
    assert found.weight_bytes == PERSONAPLEX_7B.parameters * BITS[dtype] // 8
    assert found.loaded_bytes == max(found.weight_bytes, PERSONAPLEX_7B.loaded_bytes)
    assert found.is_quantised is (BITS[dtype] < 16)
    assert found.dtypes == {dtype: PERSONAPLEX_7B.parameters}
    assert budget(found).weights == found.loaded_bytes / GIB


def test_the_kv_cache_follows_the_models_configuration() -> None:
    """Half the context, half the cache; without layers in the header, number and width come from config.json."""
    assert checkpoint_from_header(TRUE, {"context": 1500}).kv_bytes * 2 == PERSONAPLEX_7B.kv_bytes
    bare = {"w": tensor()}
    found = checkpoint_from_header(bare, {"num_layers": 32, "dim": 4096, "context": 3000})
    assert found.kv_bytes == PERSONAPLEX_7B.kv_bytes
    with pytest.raises(ConfigurationError, match="no transformer layers"):
        checkpoint_from_header(bare, {})


@pytest.mark.parametrize("size", ["3000", -1, 1.5, True, None, 10**9])
def test_a_size_that_is_none_is_refused(size: object) -> None:
    """What stands for a size in config.json and is none is named with its key."""
    with pytest.raises(ConfigurationError, match="context"):
        checkpoint_from_header(TRUE, {"context": size})


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (b"", "ends after 0 bytes"),
        (b"1234567", "ends after 7 bytes"),
        (bytes(8), "would have 0 bytes"),
        ((MAX_HEADER_BYTES + 1).to_bytes(8, "little"), "would have 100000001 bytes"),
        (b"\xff" * 8, "would have 18446744073709551615 bytes"),
        (b"<!DOCTYPE html><html>", "would have"),
        (b"version https://git-lfs.github.com/spec/v1\n", "would have"),
        (TRUE[:1000], "is cut after 992"),
        ((2).to_bytes(8, "little") + b"{x", "no JSON"),
        ((8).to_bytes(8, "little") + b"[1, 2]  ", "no JSON object"),
        ((200_000).to_bytes(8, "little") + b"[" * 200_000, "no JSON"),
        ((4).to_bytes(8, "little") + b"\xff\xfe\xfd\xfc", "no JSON"),
        (header({}), "no tensors"),
        (header({"__metadata__": {}}), "no tensors"),
        (header({"w": 3}), "not described by an object"),
        (header({"w": tensor(dtype="F7")}), "unknown dtype 'F7'"),
        (header({"w": tensor(dtype=None)}), "unknown dtype"),
        (header({"w": tensor(shape=(-12, 4))}), "no usable shape"),
        (header({"w": tensor(shape="12")}), "no usable shape"),
        (header({"w": tensor(shape=(12, True))}), "no usable shape"),
        (header({"w": tensor(offsets=[0])}), "no usable shape or place"),
        (header({"w": tensor(shape=(2**62, 2**62))}), "and its shape"),
        (header({LAYER: tensor(offsets=[0, 95])}), "takes 95 bytes, and its shape 96"),
    ],
)
def test_what_is_no_header_is_refused_in_words(first: bytes, words: str) -> None:
    """A cut, absurd or foreign beginning of a file is a ConfigurationError that says what is wrong with it."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        checkpoint_from_header(first, {})
    assert "model.safetensors" in (caught.value.hint or "")


@given(st.binary(max_size=200))
def test_no_bytes_surprise_the_parser(first: bytes) -> None:
    """Whatever a file begins with: a checkpoint, or words."""
    with pytest.raises(ConfigurationError):
        checkpoint_from_header(first, {})


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=4), st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_no_json_surprises_the_parser(described: dict[str, object], config: dict[str, object]) -> None:
    """Whatever JSON stands in a header and a configuration: a checkpoint, or words."""
    with pytest.raises(ConfigurationError):
        checkpoint_from_header(header(described), config)


@given(st.integers(0, len(TRUE) - 1))
@settings(max_examples=50)
def test_a_cut_header_is_never_taken_for_a_whole_one(length: int) -> None:
    """Cut anywhere, the true header is refused."""
    with pytest.raises(ConfigurationError):
        checkpoint_from_header(TRUE[:length], {})


def test_long_names_do_not_flood_a_message() -> None:
    """A hostile name is cut in the words."""
    with pytest.raises(ConfigurationError) as caught:
        checkpoint_from_header({"x" * 10_000: 1}, {})
    assert len(caught.value.message) < 300


def test_header_as_parsed_and_as_bytes_are_the_same() -> None:
    """A caller that has the JSON already need not make bytes of it."""
    described = entries("F16")
    assert checkpoint_from_header(described) == checkpoint_from_header(header(described))
