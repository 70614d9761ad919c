"""This machine: the gateway as a detached process on the loopback interface."""
