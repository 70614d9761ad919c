"""What several threads do at once, as when providers are asked side by side."""

from __future__ import annotations

import subprocess
import sys

ROUNDS = """
import sys, threading
sys.setswitchinterval(1e-6)

BODY = b'{"rows": [{"provider": "modal", "gpu": "L40S", "price": 1.0, "source": "x", "as_of": "2026-11-21"}]}'

for _ in range(20):
    for name in [name for name in sys.modules if name.startswith("plexctl.catalog")]:
        del sys.modules[name]
    from plexctl.catalog import readers, store

    ready = threading.Barrier(4)
    asked = (lambda: readers.rows_in(BODY), store.snapshot) * 2
    threads = [threading.Thread(target=lambda ask: (ready.wait(), ask()), args=(ask,)) for ask in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("alive")
"""


def test_the_first_prices_may_be_read_by_several_threads() -> None:
    """Decoders are ready before threads are: msgspec crashes the process when two are the first to use a type."""
    done = subprocess.run([sys.executable, "-c", ROUNDS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")
