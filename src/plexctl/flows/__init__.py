"""What plexctl does, step by step, over the provider contract: no printing, no exits, no vendor.

Each module is one thing that a user asks for. The waiting, the rolling back and the truth-telling live here.
"""
