"""Deploy NVIDIA PersonaPlex to any GPU with one command, and hear that it talks."""

__version__ = "0.1.0"
