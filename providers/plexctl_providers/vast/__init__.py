"""Vast.ai: one instance on a stranger's machine, found by a search of our own."""
