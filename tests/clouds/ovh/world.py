"""OVHcloud as the contract's tests see it: instances on machines, and apps of AI Deploy."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from tests.clouds.ovh.server import Ovh
from tests.clouds.ovh.state import PROJECT
from tests.contract.worlds import UNDOCUMENTED, Fault
from tests.machines.gpu import Gpu
from tests.machines.machine import Machine, Machines

from plexctl.contract import Context
from plexctl.errors import CredentialsError, NoCapacityError, PreflightError, ProviderError
from plexctl.model import Offer, Ref
from plexctl.secret import Secret
from plexctl.spec import Image, Spec
from plexctl.spec import Ovh as Wish
from plexctl_providers._common.clock import Clock
from plexctl_providers.ovh.adapter import OvhProvider

IMAGE = "ghcr.io/me/personaplex@sha256:" + "a" * 64
SECRETS = {"PLEXCTL_TOKEN": Secret("loopback-token"), "HF_TOKEN": Secret("hf_loopback")}


class OvhWorld:
    """One account, with what both products have in common."""

    product = "instance"

    def __init__(self, home: Path, cloud: Ovh) -> None:
        self.home = home
        self.cloud = cloud.__enter__()

    def provider(self, secrets: Mapping[str, Secret] | None = None) -> OvhProvider:
        """Return a fresh adapter whose waiting takes no time."""
        clock = self.cloud.clock
        context = Context(self.home, self.cloud.for_people, SECRETS | dict(secrets or {}), clock.wall)
        return OvhProvider(context, clock=Clock(clock.now, clock.sleep))

    def mutations(self) -> list[str]:
        """Return what changed at OVHcloud."""
        return list(self.cloud.mutations)

    def keep_the_next_deleted(self) -> None:
        """Let OVHcloud say that it deletes, and do nothing."""
        self.cloud.keeps_deleted = 1

    def close(self) -> None:
        """End everything."""
        self.cloud.__exit__(None, None, None)

    def files_with(self, value: str) -> list[str]:
        """Return the files below the home in which a secret's value is."""
        files = (path for path in self.home.rglob("*") if path.is_file())
        return [str(path.relative_to(self.home)) for path in files if value.encode() in path.read_bytes()]

    def faults_of_the_account(self) -> dict[str, Fault]:
        """Return what goes wrong whatever the product."""
        cloud = self.cloud

        def consumer(state: str) -> Callable[[], None]:
            return lambda: cloud.door.consumers.update(dict.fromkeys(cloud.door.consumers, state))

        def off(seconds: float) -> Callable[[], None]:
            return lambda: setattr(cloud.door, "lie_s", seconds)

        def grant(rules: list[tuple[str, str]] | None) -> Callable[[], None]:
            return lambda: setattr(cloud.door, "rules", rules)

        return {
            "expired key": Fault(consumer("expired"), CredentialsError, "expired", consumer("validated")),
            "skewed clock": Fault(off(3600), CredentialsError, "clock", off(0)),
            "no right": Fault(grant([("GET", "/me")]), CredentialsError, "lacks the right", grant(None)),
            "outage": Fault(lambda: cloud.fail("projects", 500, times=None), ProviderError, "try again"),
            "no JSON": Fault(lambda: cloud.fail("projects", 200, plain=True, times=None), ProviderError, "no JSON"),
            "too often": Fault(lambda: cloud.fail("projects", 429, times=None), ProviderError, "less often"),
        }


class AiDeployWorld(OvhWorld):
    """Apps, each a process."""

    product = "ai-deploy"

    def __init__(self, home: Path) -> None:
        super().__init__(home, Ovh())

    def provider(self, secrets: Mapping[str, Secret] | None = None) -> OvhProvider:
        """Return a fresh adapter that was asked about such a spec, as the core's are."""
        made = super().provider(secrets)
        made.plans_for(self.spec("voice"))
        return made

    def spec(self, name: str, secrets: tuple[str, ...] = ()) -> Spec:
        """Ask for the model on a GPU."""
        wish = Wish(product="ai-deploy", project=PROJECT)
        return Spec(name=name, provider="ovh", engine="personaplex", image=Image(name=IMAGE), secrets=secrets, ovh=wish)

    def running(self, ref: Ref) -> int:
        """Count apps that are billed as running, or will be in a moment."""
        return sum(app.is_up for app in self.cloud.apps.values() if app.name == ref.label)

    def kill(self, ref: Ref) -> None:
        """Let the container fail."""
        for app in list(self.cloud.apps.values()):
            if app.name == ref.label:
                self.cloud.end_app(app, "FAILED")

    def places_of(self, value: str) -> list[str]:
        """Look into files below the home, apps, logs, and every request but the create's own variables."""
        found = self.files_with(value)
        for app in self.cloud.apps.values():
            found += ["an app's variables"] * (value in json.dumps(app.body["envVars"]))
            found += ["an app"] * (value in json.dumps({**app.body, "envVars": []}))
            found += ["a log"] * any(value in text for _, text in app.lines)
        for one in self.cloud.seen:
            body = one.body if one.operation != "create-app" else json.dumps({**json.loads(one.body), "envVars": []})
            found += ["a request"] * (value in f"{one.path} {one.headers} {body}")
        return sorted(found)

    def expected_places(self, ref: Ref) -> list[str]:
        """Only where OVHcloud puts what the create's variables say."""
        del ref
        return ["an app's variables"]

    def exists(self) -> list[tuple[str, str]]:
        """Return all apps."""
        return sorted(("app", app.name) for app in self.cloud.apps.values())

    def lose_the_next_answer(self) -> None:
        """Let a proxy before the API give up on the next create."""
        self.cloud.fail("create-app", 504, after=True, plain=True)

    def faults(self) -> Mapping[str, Fault]:
        """Return ways in which a deploy fails."""
        cloud = self.cloud

        def quota() -> None:
            cloud.ai_quota["GPU"] = 0

        def no_flavour() -> None:
            cloud.ai_flavours.clear()

        gone = Offer("ovh", "L4", 1, "GRA", None, "a test", None)
        return {
            **self.faults_of_the_account(),
            "quota 0": Fault(quota, PreflightError, "may use 0"),
            "no stock": Fault(no_flavour, NoCapacityError, "not available", offer=gone),
            "dropped": Fault(lambda: cloud.fail("create-app", 0), ProviderError, "no answer"),
        }

    def native_states(self) -> Mapping[str, Callable[[], None]]:
        """Return what OVHcloud calls apps."""
        names = ("QUEUED", "INITIALIZING", "SCALING", "RUNNING", "STOPPING", "STOPPED", "FAILED", "ERROR")

        def call(name: str) -> Callable[[], None]:
            def force() -> None:
                for app in self.cloud.apps.values():
                    app.forced = name

            return force

        return {name: call(name) for name in (*names, "DELETING", "DELETED")} | {UNDOCUMENTED: call("HIBERNATING")}


class InstanceWorld(OvhWorld):
    """Instances, each a machine with an sshd."""

    def __init__(self, home: Path, machines: Machines) -> None:
        super().__init__(home, ovh_with(machines))

    def spec(self, name: str, secrets: tuple[str, ...] = ()) -> Spec:
        """Ask for echo, which takes no GPU."""
        return Spec(name=name, provider="ovh", engine="echo", secrets=secrets, ovh=Wish(project=PROJECT))

    def running(self, ref: Ref) -> int:
        """Count instances that are billed as running."""
        return sum(one.is_up for one in self.cloud.instances.values() if one.name == ref.label)

    def kill(self, ref: Ref) -> None:
        """Let the instance break."""
        for one in self.cloud.instances.values():
            if one.name == ref.label:
                one.forced = "ERROR"
                if one.machine is not None:
                    one.machine.power_off()

    def places_of(self, value: str) -> list[str]:
        """Look into files below the home, requests, user data, and files and command lines on the machines."""
        found = self.files_with(value)
        found += ["a request"] * any(value in f"{one.path} {one.headers} {one.body}" for one in self.cloud.seen)
        for one in self.cloud.instances.values():
            machine = one.machine
            if machine is None:
                continue
            listed = machine.run("grep", "-rlF", "--", value, "/etc", "/var", "/home", "/root", "/opt/plexctl")
            found += [f"{path} on the instance" for path in listed.stdout.splitlines()]
            found += ["a command line"] * any(value in line for line in machine.processes())
        return sorted(found)

    def expected_places(self, ref: Ref) -> list[str]:
        """Only the file that root alone reads there."""
        del ref
        return ["/etc/plexctl/secrets.env on the instance"]

    def exists(self) -> list[tuple[str, str]]:
        """Return instances and keys, and what is on an instance that is up."""
        found = [("ssh-key", one["name"]) for one in self.cloud.keys.values()]
        for one in self.cloud.instances.values():
            found.append(("instance", one.name))
            found += _on(one.machine, one.name) if one.status == "ACTIVE" else []
        return sorted(found)

    def lose_the_next_answer(self) -> None:
        """Let a proxy before the API give up on the next create, or the connection to the host break."""
        for operation in ("create", "add-key"):
            self.cloud.fail(operation, 504, after=True, plain=True)

    def faults(self) -> Mapping[str, Fault]:
        """Return ways in which a deploy fails."""
        cloud = self.cloud

        def have(name: str, value: object) -> Callable[[], None]:
            def change() -> None:
                for one in cloud.flavours:
                    setattr(one, name, value)

            return change

        gone = Offer("ovh", "L4", 1, "GRA11", None, "a test", None)
        return {
            **self.faults_of_the_account(),
            "out of stock": Fault(have("available", value=False), PreflightError, "out of stock", offer=gone),
            "quota 0": Fault(have("quota", 0), PreflightError, "quota", offer=gone),
            "in error": Fault(lambda: setattr(cloud, "is_in_error", True), ProviderError, "in-error"),
            "dropped": Fault(lambda: cloud.fail("create", 0), ProviderError, "no answer"),
        }

    def native_states(self) -> Mapping[str, Callable[[], None]]:
        """Return what OVHcloud calls instances."""
        names = ("BUILD", "REBOOT", "ACTIVE", "SHELVING", "SHELVED", "SHELVED_OFFLOADED", "SHUTOFF", "PAUSED", "RESCUE")

        def call(name: str) -> Callable[[], None]:
            def force() -> None:
                for one in self.cloud.instances.values():
                    one.forced = name

            return force

        more = ("DELETING", "ERROR", "UNKNOWN", "DELETED")
        return {name: call(name) for name in (*names, *more)} | {UNDOCUMENTED: call("HIBERNATING")}


def ovh_with(machines: Machines) -> Ovh:
    """Return an OVHcloud whose instances are machines; with `changes_host_keys`, with other keys."""

    def boot(user_data: str, user: str, gpu: Gpu | None) -> Machine:
        config = without_network(user_data)
        if cloud.changes_host_keys:
            config.pop("ssh_keys")
        text = f"#cloud-config\n{yaml.safe_dump(config)}"
        return machines.start("warm", cloud_config=text, user=user, gpu=gpu)

    cloud = Ovh(boot)
    return cloud


def without_network(user_data: str) -> dict[str, Any]:
    """Return user data for a machine that can install nothing: ufw is there, and writes down what it is told."""
    config: dict[str, Any] = yaml.safe_load(user_data)
    assert "ufw" in config.pop("packages")
    for name in ("ufw", "iptables"):
        program = f'#!/bin/sh\necho "$@" >>/var/log/{name}-told\n'
        config["write_files"].append({"path": f"/usr/sbin/{name}", "permissions": "0755", "content": program})
    return config


def _on(machine: Machine | None, label: str) -> list[tuple[str, str]]:
    """Return what of plexctl is on a machine, in the plan's words."""
    if machine is None:
        return []
    files = machine.run("test", "-e", "/var/lib/plexctl/bundle").returncode == 0
    secrets = machine.run("test", "-e", "/etc/plexctl/secrets.env").returncode == 0
    found = [("host-files", label)] * files
    return found + [("host-secrets", "/etc/plexctl/secrets.env")] * secrets
