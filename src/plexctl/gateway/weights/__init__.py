"""The weights: fetched into the cache before an engine starts, by a process of their own.

`child` is the gateway's side, `__main__` that process: conversations and /health never wait for a disk or a hash, and
SIGTERM ends a download at once. huggingface_hub resolves the revision, names addresses and hashes, and defines the
cache's layout. The bytes are read here, because its own download starts over after a kill (2.4 writes to
a temporary file that it never finds again), loses up to 10 MiB at each cut, and its client took 1.6 to 4.6 s for a
gigabyte of the loopback's where the standard library took 0.6 (2026-11-21, two cores).
"""
