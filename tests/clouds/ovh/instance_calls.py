"""The operations on instances, their keys, flavours and images."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from tests.clouds.ovh.door import Answer, problem
from tests.clouds.ovh.judge import INSTANCES, judge
from tests.clouds.ovh.state import REGIONS, Instance, Operation, State
from tests.machines.gpu import Gpu
from tests.machines.machine import Machine

Boot = Callable[[str, str, Gpu | None], Machine]
"""Starts a machine with this user data, this user, and this GPU."""
_LOOKS, _LOOK_S = 100, 0.05
_NOWHERE = "127.0.0.1"


class InstanceCalls:
    """`/cloud/project/{project}`. Without `boot`, instances are ACTIVE at an address where nobody answers ssh."""

    def __init__(self, state: State, boot: Boot | None = None) -> None:
        self._state = state
        self._boot = boot
        self._threads: list[threading.Thread] = []

    def flavours(self, region: str | None) -> Answer:
        """`GET .../flavor`."""
        return _shown(
            "cloud.flavor.Flavor", [one.shown() for one in self._state.flavours if region in (None, one.region)]
        )

    def images(self, region: str | None) -> Answer:
        """`GET .../image`."""
        return _shown("cloud.image.Image", [one for one in self._state.images if region in (None, one["region"])])

    def keys(self) -> Answer:
        """`GET .../sshkey`."""
        return _shown("cloud.sshkey.SshKeyDetail", list(self._state.keys.values()))

    def add_key(self, body: dict[str, Any]) -> Answer:
        """`POST .../sshkey`: names need not be unique."""
        wrong = judge(INSTANCES, "sshkey.CreateInput", body)
        if wrong or body.get("region") not in (None, *REGIONS):
            return problem(400, f"invalid key: {wrong[:1]}")
        made = {"id": self._state.new_id(), "name": body["name"], "publicKey": body["publicKey"],
                "fingerPrint": "", "regions": list(REGIONS)}  # fmt: skip
        with self._state.lock:
            self._state.keys[made["id"]] = made
            self._state.note("create", "ssh-key", body["name"])
        return _shown("cloud.sshkey.SshKeyDetail", made)

    def delete_key(self, key_id: str) -> Answer:
        """`DELETE .../sshkey/{id}`."""
        if key_id not in self._state.keys:
            return problem(404, "key not found")
        self._state.note("delete", "ssh-key", self._state.keys.pop(key_id)["name"])
        return 200, None

    def inside(self, region: str) -> Answer:
        """`GET .../region/{region}/instance`."""
        if region not in REGIONS:
            return problem(404, f"region {region} not found")
        found = [self._settled(one) for one in list(self._state.instances.values()) if one.region == region]
        return _shown("cloud.instance.Instance.region", [one.shown() for one in found])

    def get(self, region: str, instance_id: str) -> Answer:
        """`GET .../region/{region}/instance/{id}`."""
        found = self._state.instances.get(instance_id)
        if found is None or found.region != region:
            return problem(404, "instance not found")
        return _shown("cloud.instance.Instance.region", self._settled(found).shown())

    def create(self, region: str, body: dict[str, Any]) -> Answer:
        """`POST .../region/{region}/instance`."""
        state = self._state
        wrong = judge(INSTANCES, "cloud.instance.CreateInput", body)
        flavour = next((one for one in state.flavours if one.id == body.get("flavor", {}).get("id")), None)
        image = next((one for one in state.images if one["id"] == body.get("bootFrom", {}).get("imageId")), None)
        key = (body.get("sshKey") or {}).get("name")
        if wrong or flavour is None or image is None or {flavour.region, image["region"]} != {region}:
            return problem(400, f"invalid instance: {wrong[:1]}")
        if key not in [one["name"] for one in state.keys.values()]:
            return problem(400, "ssh key not found")
        if not flavour.available:
            return problem(400, f"flavor {flavour.name} is not available: no valid host was found")
        if not flavour.quota:
            return problem(403, "instance quota exceeded", "FORBIDDEN")
        operation = Operation(state.new_id(), None, state.clock.now() + state.operation_s)
        state.operations[operation.id] = operation
        if state.is_in_error:
            operation.status = "in-error"
            return _shown("cloud.Operation", operation.shown(state.clock.now()))
        made = Instance(state.new_id(), body, region, state.clock.now())
        with state.lock:
            operation.instance = made
            state.instances[made.id] = made
            state.note("create", "instance", made.name)
        self._begin(made, image["user"], has_gpu=flavour.name.startswith(("l4", "a100")))
        return _shown("cloud.Operation", operation.shown(state.clock.now()))

    def operation(self, operation_id: str) -> Answer:
        """`GET .../operation/{id}`."""
        found = self._state.operations.get(operation_id)
        if found is None:
            return problem(404, "operation not found")
        return _shown("cloud.Operation", found.shown(self._state.clock.now()))

    def delete(self, instance: Instance) -> Answer:
        """`DELETE .../instance/{id}`: disk and all."""
        if self._state.keeps_deleted:
            self._state.keeps_deleted -= 1
            return 200, None
        with self._state.lock:
            if self._state.instances.pop(instance.id, None) is None:
                return problem(404, "instance not found")
            self._state.note("delete", "instance", instance.name)
        instance.status = "DELETED"
        if instance.machine is not None:
            instance.machine.remove()
        return 200, None

    async def shelve(self, instance: Instance) -> Answer:
        """`POST .../shelve`: its disk is kept as an image. Who reads a log to its end there may do so before."""
        if (instance.forced or instance.status) not in {"ACTIVE", "SHUTOFF"}:
            return problem(409, f"cannot shelve an instance that is {instance.status}")
        self._state.note("shelve", "instance", instance.name)
        instance.status = "SHELVED_OFFLOADED"
        if instance.machine is not None:
            for _ in range(_LOOKS):
                if not any(line.startswith("tail ") for line in instance.machine.processes()):
                    break
                await asyncio.sleep(_LOOK_S)
            instance.machine.power_off()
        return 200, None

    def wake(self, instance: Instance, wanted: tuple[str, ...], verb: str) -> Answer:
        """`POST .../unshelve` and `.../start`."""
        if instance.status not in wanted:
            return problem(409, f"cannot {verb} an instance that is {instance.status}")
        self._state.note(verb, "instance", instance.name)
        if instance.machine is not None:
            instance.machine.power_on()
        instance.status = "ACTIVE"
        return 200, None

    def close(self) -> None:
        """End every machine."""
        for thread in self._threads:
            thread.join()
        for instance in self._state.instances.values():
            if instance.machine is not None:
                instance.machine.remove()

    def _begin(self, instance: Instance, user: str, *, has_gpu: bool) -> None:
        """Boot its machine, beside everything else."""
        boot = self._boot
        if boot is None:
            return

        def work() -> None:
            machine = boot(instance.body["userData"], user, Gpu(name="NVIDIA L4", memory=23034) if has_gpu else None)
            if instance.status == "DELETED":
                machine.remove()
            instance.machine, instance.address = machine, machine.address

        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()

    def _settled(self, instance: Instance) -> Instance:
        """Let what is due happen: an instance is ACTIVE once its time has come and its machine is up."""
        has_come = self._state.clock.now() >= instance.born + self._state.build_s
        if instance.status == "BUILD" and has_come and (self._boot is None or instance.machine is not None):
            instance.status = "ACTIVE"
            instance.address = instance.address or _NOWHERE
        return instance


def _shown(schema: str, body: Any) -> Answer:
    for one in body if isinstance(body, list) else [body]:
        wrong = judge(INSTANCES, schema, one)
        assert wrong == [], f"the loopback OVHcloud would answer what OVHcloud cannot: {wrong}"
    return 200, body
