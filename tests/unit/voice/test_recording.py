"""A recording is sent as one valid stream of any length, and what was heard is a playable file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from plexctl import probe
from plexctl.voice import OggError, OggReader, OpusError, OpusHead, Recording, encode_tags, ogg_file
from plexctl.voice.ogg_writer import OggWriter, checksum

VOICE = Path(probe.__file__).with_name("voice.opus").read_bytes()


def test_the_canned_voice_is_what_the_browser_sends() -> None:
    """Six seconds, 24 kHz mono, in packets of 20 ms."""
    recording = Recording.from_ogg(VOICE)
    assert recording.head.rate_hz == 24_000
    assert recording.duration_s == pytest.approx(6.0, abs=0.05)
    assert {packet[0] & 3 for packet in recording.packets} == {0}


@pytest.mark.parametrize("seconds", [0.02, 1.0, 5.0, 6.5, 13.0])
def test_a_looped_recording_is_one_stream(seconds: float) -> None:
    """Sequence, granules, checksums, first and last page are right whatever the length."""
    sent = list(Recording.from_ogg(VOICE).pages(seconds))
    pages = OggReader().feed(b"".join(page.ogg for page in sent))
    assert [page.seconds for page in sent[:2]] == [0.0, 0.0]
    assert sum(page.seconds for page in sent) == pytest.approx(seconds, abs=0.0401)
    assert all(0 < page.seconds <= 0.04 for page in sent[2:])
    assert [int.from_bytes(page.raw[18:22], "little") for page in pages] == list(range(len(pages)))
    assert len({page.serial for page in pages}) == 1
    assert [page.flags for page in pages] == [2] + [0] * (len(pages) - 2) + [4]
    granules = [int.from_bytes(page.raw[6:14], "little") for page in pages]
    assert granules == [0, 0, *(round(48_000 * sum(p.seconds for p in sent[: n + 1])) for n in range(2, len(sent)))]
    for page in pages:
        assert checksum(page.raw[:22] + bytes(4) + page.raw[26:]) == int.from_bytes(page.raw[22:26], "little")


@pytest.mark.skipif(shutil.which("opusdec") is None, reason="opusdec is not installed")
def test_opusdec_plays_what_is_written(tmp_path: Path) -> None:
    """A saved file is decoded without complaint to the length its packets have."""
    recording = Recording.from_ogg(VOICE)
    (tmp_path / "heard.opus").write_bytes(ogg_file(recording.packets))
    command = ["opusdec", "--rate", "48000", str(tmp_path / "heard.opus"), str(tmp_path / "heard.wav")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert ((tmp_path / "heard.wav").stat().st_size - 44) / 96_000 == pytest.approx(recording.duration_s, abs=0.01)


def test_saving_reads_back() -> None:
    """The packets of a written file are the packets that were given."""
    recording = Recording.from_ogg(VOICE)
    assert Recording.from_ogg(ogg_file(recording.packets, recording.head)) == recording


def test_an_empty_file_still_ends() -> None:
    """With no packets the tags page ends the stream."""
    assert OggReader().feed(ogg_file([]))[-1].flags == 4


def file_with(head: OpusHead, packets: list[bytes]) -> bytes:
    """Write a file with any header."""
    writer = OggWriter(1)
    return b"".join(writer.page(page, 0) for page in ([head.encode()], [encode_tags()], packets))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no Ogg packet"),
        (b"RIFF....WAVE", "OggS"),
        (file_with(OpusHead(channels=2), [b"\x48x"]), "2 channels"),
        (file_with(OpusHead(rate_hz=16_000), [b"\x48x"]), "16000 Hz"),
        (file_with(OpusHead(), []), "no sound"),
        (file_with(OpusHead(), [b"\x03\x00"]), "0.0000 s"),
        (OggWriter(1).page([b"\x01vorbis"], 0), "no OpusHead"),
    ],
)
def test_other_files_are_refused_with_a_reason(data: bytes, words: str) -> None:
    """A file that a voice server cannot read says why."""
    with pytest.raises((OggError, OpusError), match=words):
        Recording.from_ogg(data)
