"""Google Cloud Run: GPU containers that scale to zero, with the weights in a bucket."""
