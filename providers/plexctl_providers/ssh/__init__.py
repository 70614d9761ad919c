"""Hosts of one's own, reached by ssh: nothing at any provider, so nothing that bills."""
