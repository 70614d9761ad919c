"""Vast.ai on the loopback: stateful, as strict as its published limits, and as unreliable as it is asked to be."""
