"""plexctl's built-in adapters, one folder each.

An adapter imports plexctl's contract, model, errors, secret and rendering, and `_common`; never the CLI, the flows,
the output, the configuration or a sibling.
"""
