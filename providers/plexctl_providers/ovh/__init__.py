"""OVHcloud: Public Cloud instances with GPUs, and (experimental) AI Deploy."""
