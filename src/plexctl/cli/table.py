"""The table of commands: which module holds each, and its line in `plexctl --help`. Imports none of them."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """Where a command is: a function of a module of this package."""

    module: str
    function: str
    summary: str
    """The first line of the function's docstring, so that `--help` need not import the module."""


COMMANDS: dict[str, Command] = {
    "init": Command("init", "init", "Write a commented plexctl.toml."),
    "gpus": Command("gpus", "gpus", "List what GPUs cost and whether they keep real time."),
    "plan": Command("plan", "plan", "Say what a deploy would do and cost, without network or keys."),
    "render": Command("render", "render", "Write what a deploy would use, as files to read and take away."),
    "check-license": Command("check_license", "check_license", "Say whether this token may download the weights."),
    "deploy": Command("deploy", "deploy", "Deploy PersonaPlex, wait until it is ready, and hear it talk."),
    "list": Command("observe", "list_deployments", "List the deployments, with what is true of them now."),
    "status": Command("observe", "status", "Say what is true of a deployment, or of all."),
    "probe": Command("probe", "probe", "Listen to an endpoint and say whether it talks."),
    "open": Command(
        "open",
        "open_deployment",
        "Give a browser a way in, through a tunnel where it would not trust the certificate, or not get there.",
    ),
    "ssh": Command("ssh", "ssh", "Log in to the host of a deployment, or run a command there."),
    "logs": Command("logs", "logs", "Show what a deployment printed."),
    "stop": Command("operate", "stop", "End what costs while it runs; `start` brings it back."),
    "start": Command("operate", "start", "Bring a stopped deployment back and wait until it is ready."),
    "scale": Command("scale", "scale", "Change how many replicas are kept up, and how many there may be."),
    "destroy": Command("operate", "destroy", "Remove a deployment and everything that belongs to it."),
    "gc": Command("gc", "gc", "Find what bills and nobody knows, or what outlived its time; with --delete, end it."),
    "doctor": Command("doctor", "doctor", "Check this machine, its keys and what reaches it; say how to mend each."),
    "image": Command("image", "image", "Build the container image, push it, or list those built: `image build`."),
    "catalog": Command("catalog", "catalog", "Renew the prices: `catalog refresh`."),
}
