from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plexctl.errors import ConfigurationError, UsageError
from plexctl.gpus import Measurement, find, predict, save_measurement, saved_measurements
from plexctl.gpus.checkpoint import PERSONAPLEX_7B

L4 = Measurement(gpu="L4", ms_per_frame=74.2, source="bench/gpu.py", as_of="2026-11-21", engines_in_real_time=1)
ROW = {"gpu": "L4", "ms_per_frame": 74.2, "source": "mine", "as_of": "2026-11-21"}


def test_what_is_saved_is_read_back_and_used(tmp_path: Path) -> None:
    """A saved measurement replaces the prediction from then on; a second one stands beside it, newest last."""
    home = tmp_path / "home"
    assert saved_measurements(home) == ()
    path = save_measurement(home, L4)
    save_measurement(home, Measurement(gpu="a10g", ms_per_frame=60, source="mine", as_of="2026-11-22"))
    saved = saved_measurements(home)
    assert [one.gpu for one in saved] == ["L4", "A10G"]
    assert saved[0] == L4
    assert predict(find("L4"), PERSONAPLEX_7B, saved).ms_per_frame == 74.2
    assert [one.name for one in home.iterdir()] == [path.name]
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("gpu", "words"), [("L5", "no GPU is called"), ("A100", "may be any of A100 40GB")])
def test_a_measurement_belongs_to_one_known_gpu(tmp_path: Path, gpu: str, words: str) -> None:
    """Neither an unknown GPU nor a whole family was measured."""
    with pytest.raises(UsageError, match=words):
        save_measurement(tmp_path, Measurement(gpu=gpu, ms_per_frame=1, source="mine", as_of="2026-11-21"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        ({}, "no list"),
        ([3], "entry 1 needs gpu"),
        ([ROW, {}], "entry 2 needs gpu"),
        ([ROW | {"extra": 1}], "entry 1 needs"),
        ([ROW | {"ms_per_frame": "74"}], "ms_per_frame is '74'"),
        ([ROW | {"ms_per_frame": True}], "ms_per_frame is 'True'"),
        ([ROW | {"ms_per_frame": 0}], "above 0"),
        ([ROW | {"ms_per_frame_p95": -1}], "above 0"),
        (b'[{"gpu": "L4", "ms_per_frame": NaN, "source": "s", "as_of": "2026-11-21"}]', "above 0"),
        ([ROW | {"engines_in_real_time": -1}], "below 0"),
        ([ROW | {"as_of": "yesterday"}], "no date"),
    ],
)
def test_a_file_that_cannot_be_used_is_said(tmp_path: Path, content: Any, words: str) -> None:
    """It names the file and the entry, and is not changed by saving."""
    path = tmp_path / "measurements.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=words):
        saved_measurements(tmp_path)
    with pytest.raises(ConfigurationError, match=words):
        save_measurement(tmp_path, L4)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A file where the folder should be is a ConfigurationError."""
    home = tmp_path / "file"
    home.write_text("")
    with pytest.raises(ConfigurationError, match="cannot"):
        save_measurement(home, L4)
