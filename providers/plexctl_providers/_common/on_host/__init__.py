"""What an adapter does on a host that it can log in to: bring up, look, read logs, end. The same for ssh, Lambda, OVH."""
