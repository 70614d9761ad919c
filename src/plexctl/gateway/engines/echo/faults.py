"""What echo can be told to do wrong (PLEXCTL_ECHO_FAULT), and the words that real servers print when it happens.

The texts are those of torch 2.4 and huggingface_hub 0.24, so that the gateway's diagnosis is tried on what it meets.
"""

from __future__ import annotations

from enum import Enum


class Fault(Enum):
    """One thing that goes wrong."""

    NONE = ""
    SLOW = "slow"
    """Answers at half of real time."""
    SILENT = "silent"
    """Handshake, then nothing."""
    MUTE = "mute"
    """Upgrade, never a handshake."""
    STALL = "stall"
    """Stops after two seconds of audio."""
    CRASH = "crash"
    """Dies after two seconds of a conversation."""
    CRASH_AT_START = "crash-at-start"
    OUT_OF_MEMORY = "oom"
    GATED = "gated"
    NO_KERNEL = "no-kernel"
    MISSING_LIBRARY = "missing-library"


LAST_WORDS = {
    Fault.CRASH_AT_START: "RuntimeError: told to crash at start",
    Fault.OUT_OF_MEMORY: (
        "Traceback (most recent call last):\n"
        '  File "/app/moshi/moshi/modules/transformer.py", line 254, in _init_streaming_state\n'
        "    cache = torch.zeros(shape, device=device, dtype=dtype)\n"
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 94.00 MiB. GPU 0 has a total capacity of "
        "15.77 GiB of which 21.00 MiB is free. Process 1 has 15.74 GiB memory in use."
    ),
    Fault.GATED: (
        "Traceback (most recent call last):\n"
        '  File "/app/venv/lib/python3.12/site-packages/huggingface_hub/utils/_errors.py", line 321\n'
        "huggingface_hub.utils._errors.GatedRepoError: 403 Client Error. (Request ID: Root=1-echo)\n"
        "Cannot access gated repo for url https://huggingface.co/nvidia/personaplex-7b-v1/resolve/main/voices.tgz.\n"
        "Access to model nvidia/personaplex-7b-v1 is restricted and you are not in the authorized list."
    ),
    Fault.NO_KERNEL: (
        "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch "
        "installation.\n"
        "RuntimeError: CUDA error: no kernel image is available for execution on the device"
    ),
    Fault.MISSING_LIBRARY: (
        "Traceback (most recent call last):\n"
        "ImportError: libopus.so.0: cannot open shared object file: No such file or directory"
    ),
}
"""What a fault prints before it exits with 1 at the start."""
