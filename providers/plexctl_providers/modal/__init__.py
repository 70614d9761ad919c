"""Modal: containers that scale to zero, with the weights in a volume."""
