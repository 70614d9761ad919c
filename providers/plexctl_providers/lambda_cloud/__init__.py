"""Lambda Cloud: virtual machines with GPUs that can be launched and terminated, and not stopped."""
