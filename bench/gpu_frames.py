"""Real milliseconds per frame of NVIDIA's own classes on this device, with random weights of true shape.

Run by `bench/gpu.py`, with a Python that has torch, numpy, einops and safetensors; prints `ready` and, after a line on
standard input, one line of JSON. Nothing of upstream is changed or copied: its checkout is put on the path.

A frame is what upstream's server does for one (`opus_loop` in moshi/server.py at 3428dfd): encode with both Mimis,
one step of the language model, decode with both, the audio to the host, the text token to the host. Weights are
N(0, 0.02) in bf16 and norms 1; codebooks N(0, 0.5). What it says is noise; dense kernels take as long with it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import types
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

FRAME_S = 0.08
WARM_FRAMES = 40
PART_FRAMES = 100
TINY = {
    "_seanet_kwargs": {"dimension": 64, "n_filters": 8},
    "_quantizer_kwargs": {"dimension": 32, "input_dimension": 64, "output_dimension": 64},
    "_transformer_kwargs": {
        "d_model": 64,
        "num_heads": 2,
        "num_layers": 1,
        "dim_feedforward": 128,
        "input_dimension": 64,
        "output_dimensions": [64],
    },
    "_lm_kwargs": {
        "dim": 64,
        "text_card": 320,
        "num_heads": 2,
        "num_layers": 2,
        "depformer_dim": 32,
        "depformer_dim_feedforward": 64,
        "depformer_num_heads": 2,
        "depformer_num_layers": 1,
    },
}
"""Sizes for a look at the logic on a CPU; their figures say nothing."""


def arguments_of() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine-src", type=Path, required=True, help="a checkout of NVIDIA/personaplex")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--compile", action="store_true", help="with torch.compile, as upstream by default")
    parser.add_argument("--paced", action="store_true", help="a frame each 80 ms, as a caller speaks")
    parser.add_argument("--parts", action="store_true", help="time each part of a frame as well")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to try the logic")
    return parser.parse_args()


class Engine:
    """Upstream's two Mimis and its generator, as its server holds them."""

    def __init__(self, source: Path, device: str, *, is_tiny: bool) -> None:
        sys.path.insert(0, str(source / "moshi"))
        stand_in("sphn", "tqdm", "tqdm.auto")
        self.torch: Any = import_module("torch")
        self.device: Any = self.torch.device(device)
        loaders: Any = import_module("moshi.models.loaders")
        if is_tiny:
            for table, sizes in TINY.items():
                getattr(loaders, table).update(sizes)
        self.torch.manual_seed(1)
        self.mimis = [self._mimi(loaders), self._mimi(loaders)]
        self.model = self._language_model(loaders)
        rate, frame_rate = self.mimis[0].sample_rate, self.mimis[0].frame_rate
        self.frame_size = int(rate / frame_rate)
        generator: Any = import_module("moshi.models.lm").LMGen
        self.generator = generator(self.model, device=self.device, sample_rate=rate, frame_rate=frame_rate)
        for one in (*self.mimis, self.generator):
            one.streaming_forever(1)
        self.sent = 0

    def _mimi(self, loaders: Any) -> Any:
        # Upstream's loader fills what it builds from a file in any case: let it skip that.
        loaders.load_model = lambda *_: None
        mimi = loaders.get_mimi("none.safetensors", self.device)
        for name, buffer in mimi.named_buffers():
            if name.endswith("embedding_sum"):
                buffer.normal_(0, 0.5)
        return mimi

    def _language_model(self, loaders: Any) -> Any:
        model = loaders.get_moshi_lm(None, device=self.device, dtype=self.torch.bfloat16)
        for name, parameter in model.named_parameters():
            if name.endswith("alpha"):
                parameter.fill_(1)
            else:
                parameter.normal_(0, 0.02)
        return model

    def chunk(self) -> Any:
        """Return one frame of a caller's noise, as it comes from Opus: on the host."""
        return self.torch.randn(self.frame_size).mul_(0.1)

    def frame(self, mark: Callable[[str], None] = lambda _: None) -> None:
        """Do what upstream's server does with one frame; `mark` is called after each part."""
        chunk = self.chunk().to(device=self.device)[None, None]
        codes = self.mimis[0].encode(chunk)
        mark("encode")
        self.mimis[1].encode(chunk)
        mark("encode, discarded")
        tokens = self.generator.step(codes[:, :, :1])
        mark("language model")
        if tokens is None:
            return
        sound = self.mimis[0].decode(tokens[:, 1:9])
        mark("decode")
        self.mimis[1].decode(tokens[:, 1:9])
        mark("decode, discarded")
        sound = sound.cpu()
        tokens[0, 0, 0].item()
        mark("to the host")
        self.sent += 1
        if self.sent == 1:
            assert bool(self.torch.isfinite(sound).all()), "the model's sound is not finite"

    def synchronise(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            self.torch.cuda.synchronize(self.device)

    def memory(self) -> dict[str, float]:
        """Return MiB: what torch holds, and what is in use on the device by all."""
        if self.device.type != "cuda":
            return {}
        free, total = self.torch.cuda.mem_get_info(self.device)
        mib = 1 << 20
        return {
            "allocated_mib": round(self.torch.cuda.memory_allocated(self.device) / mib),
            "reserved_mib": round(self.torch.cuda.memory_reserved(self.device) / mib),
            "used_mib": round((total - free) / mib),
            "total_mib": round(total / mib),
        }


def stand_in(*names: str) -> None:
    """Let modules be imported that upstream names at its top and that no frame uses, where they are missing."""
    for name in names:
        try:
            import_module(name)
        except ImportError:
            module = types.ModuleType(name)
            module.__spec__ = ModuleSpec(name, None)  # torch's tracer looks for it
            module.tqdm = lambda every, *_, **__: every  # type: ignore[attr-defined]
            sys.modules[name] = module


def run(engine: Engine, frames: int, *, is_paced: bool) -> tuple[list[float], float]:
    """Return the milliseconds of each frame, and by how many the last one was late when paced."""
    taken = []
    began = time.perf_counter()
    late_s = 0.0
    for number in range(frames):
        if is_paced:
            with suppress(ValueError):  # negative: already late
                time.sleep(began + number * FRAME_S - time.perf_counter())
        start = time.perf_counter()
        engine.frame()
        end = time.perf_counter()
        taken.append(1000 * (end - start))
        late_s = end - (began + (number + 1) * FRAME_S)
    return taken, max(0.0, 1000 * late_s)


def parts(engine: Engine) -> dict[str, float]:
    """Return the median milliseconds of each part, each waited for."""
    taken: dict[str, list[float]] = {}
    last = 0.0

    def mark(part: str) -> None:
        nonlocal last
        engine.synchronise()
        now = time.perf_counter()
        taken.setdefault(part, []).append(1000 * (now - last))
        last = now

    for _ in range(PART_FRAMES):
        engine.synchronise()
        last = time.perf_counter()
        engine.frame(mark)
    return {part: round(statistics.median(times), 2) for part, times in taken.items()}


def main() -> None:
    """Build, warm up, wait for the start, measure, print."""
    options = arguments_of()
    if not options.compile:
        os.environ["NO_TORCH_COMPILE"] = "1"
    torch: Any = import_module("torch")
    began = time.perf_counter()
    with torch.no_grad():
        engine = Engine(options.engine_src, options.device, is_tiny=options.tiny)
        run(engine, WARM_FRAMES, is_paced=False)
        engine.synchronise()
        start_s = time.perf_counter() - began
        print("ready", flush=True)
        sys.stdin.readline()
        taken, late_ms = run(engine, options.frames, is_paced=options.paced)
        found: dict[str, Any] = {
            "p50_ms": round(statistics.median(taken), 2),
            "p95_ms": round(statistics.quantiles(taken, n=20)[18], 2),
            "p99_ms": round(statistics.quantiles(taken, n=100)[98], 2),
            "max_ms": round(max(taken), 2),
            "frames": len(taken),
            "late_ms": round(late_ms, 1),
            "start_s": round(start_s, 1),
            "parameters": sum(one.numel() for one in engine.model.parameters()),
            "torch": torch.__version__,
            "compiled": options.compile,
            **engine.memory(),
        }
        if options.parts:
            found["parts_ms"] = parts(engine)
    assert engine.sent > 0, "the model made no sound"
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
