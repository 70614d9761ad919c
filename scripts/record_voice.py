"""Make the recording that plexctl's probe plays to a voice server: `python scripts/record_voice.py`.

Needs `espeak-ng` and `opusenc` (Debian: espeak-ng, opus-tools). Writes src/plexctl/probe/voice.opus: six
seconds of talk without a pause long enough to end a turn, 24 kHz mono, 20 ms frames, two to an Ogg page, as
the browser client sends it. The same releases of the two tools give the same bytes: the stream's serial
number is fixed.
"""

from __future__ import annotations  # array.array takes a type argument from Python 3.12 only

import argparse
import array
import io
import subprocess
import sys
import wave
from collections.abc import Sequence
from pathlib import Path

SAMPLE_RATE = 24_000
DURATION_S = 6.0
SERIAL = 20_240
TARGET = Path(__file__).resolve().parent.parent / "src" / "plexctl" / "probe" / "voice.opus"
TALK = (
    "Hello, can you hear me? I am calling to find out whether this line is working. "
    "Please tell me something about your day, and about the weather where you are. "
    "I would like to hear a short story about the sea."
)


def speech_command(text: str) -> list[str]:
    """Return the command that speaks `text` as a WAV file on standard output."""
    return ["espeak-ng", "-v", "en-us", "-s", "170", "--stdout", text]


def encode_command(target: Path) -> list[str]:
    """Return the command that encodes raw 16-bit samples from standard input into `target`."""
    raw = ["--raw", "--raw-rate", str(SAMPLE_RATE), "--raw-chan", "1", "--raw-bits", "16"]
    shape = ["--framesize", "20", "--max-delay", "40", "--bitrate", "24", "--comp", "0"]
    fixed = ["--serial", str(SERIAL), "--padding", "0", "--quiet"]
    return ["opusenc", *raw, *shape, *fixed, "-", str(target)]


def read_samples(spoken: bytes) -> tuple[array.array[int], int]:
    """Return the 16-bit mono samples and the rate of a streamed WAV file (its header gives no length)."""
    with wave.open(io.BytesIO(spoken)) as file:
        samples = array.array("h", file.readframes(len(spoken)))
        rate = file.getframerate()
    if sys.byteorder == "big":
        samples.byteswap()
    return samples, rate


def resample(samples: Sequence[int], rate: int, count: int) -> array.array[int]:
    """Return the first `count` samples at `SAMPLE_RATE`, interpolated; IndexError if the talk is shorter."""
    taken = array.array("h")
    for number in range(count):
        whole, part = divmod(number * rate, SAMPLE_RATE)
        near, far = samples[whole], samples[whole + 1]
        taken.append(near + (far - near) * part // SAMPLE_RATE)
    return taken


def skip_silence(samples: array.array[int], threshold: int = 500) -> array.array[int]:
    """Return the samples from the first loud one: the probe's clock starts with its first page."""
    start = next(number for number, sample in enumerate(samples) if abs(sample) > threshold)
    return samples[start:]


def record(target: Path) -> int:
    """Write the recording and return its size in bytes."""
    spoken = subprocess.run(speech_command(TALK), check=True, capture_output=True).stdout
    samples, rate = read_samples(spoken)
    taken = resample(skip_silence(samples), rate, int(DURATION_S * SAMPLE_RATE))
    if sys.byteorder == "big":
        taken.byteswap()
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(encode_command(target), check=True, input=taken.tobytes())
    return target.stat().st_size


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the recording to the place the package reads it from, or to the one named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", nargs="?", type=Path, default=TARGET)
    target = parser.parse_args(arguments).target
    sys.stdout.write(f"{target}: {record(target)} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
