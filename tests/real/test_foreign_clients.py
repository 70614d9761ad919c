"""Clients that other people wrote talk through the gateway."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.real.rig import ROOT, RealGateway

_HERE = Path(__file__).parent
_VOICE = ROOT / "src" / "plexctl" / "probe" / "voice.opus"


def test_websocat_gets_the_handshake(tools: Path, echo: RealGateway) -> None:
    """`websocat -b -n1` prints the single byte 0x00."""
    done = subprocess.run(
        [tools / "clients" / "bin" / "websocat", "-b", "-n1", "-U", echo.url],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert done.stdout[:1] == b"\x00"


def test_node_ws_hears_handshake_audio_and_text(tools: Path, echo: RealGateway) -> None:
    """Node's `ws`, the commonest WebSocket client, holds a conversation."""
    done = subprocess.run(
        ["node", _HERE / "talk.mjs", tools / "node", echo.url, _VOICE],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stdout.split() == ["0", "1", "2"], done.stderr


def test_opusdec_plays_what_the_probe_saved(echo: RealGateway, tmp_path: Path) -> None:
    """What `--save` writes is a file that other people's decoders accept, at its true length."""
    saved, decoded = tmp_path / "heard.opus", tmp_path / "heard.wav"
    echo.plexctl("probe", "--seconds", "2", "--save", str(saved))
    subprocess.run(["opusdec", "--quiet", "--rate", "24000", saved, decoded], check=True, timeout=20)
    assert 1.9 < (decoded.stat().st_size - 44) / 24000 / 2 < 2.2
