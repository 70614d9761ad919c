"""What an adapter does on a host that it can log in to: bring up, look, read logs, end; for whoever gives the host."""
