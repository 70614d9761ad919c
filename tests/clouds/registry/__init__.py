"""An image registry on the loopback, as far as the OCI distribution specification 1.1 goes for push and pull."""
