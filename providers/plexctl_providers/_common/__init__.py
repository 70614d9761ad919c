"""What adapters share: pure pieces of plans. Imports no adapter."""
