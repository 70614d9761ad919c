"""Hosts reached by ssh: whom to believe, how to log in, commands, files and tunnels; paramiko is behind all of it."""
