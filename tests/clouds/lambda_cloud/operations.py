"""What each operation of the loopback Lambda does, and what it is refused for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.clouds.lambda_cloud.faults import RefusedError, absent, full, invalid
from tests.clouds.lambda_cloud.state import LISTED_S, REGIONS, Instance, State, region

Answer = Any
_QUIET = "127.255.255.254"
"""An address at which nobody is."""
_DUPLICATE = "Something went wrong."
_KEY_TYPES = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256")


class Operations:
    """The account's operations. Called one at a time."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.boots: list[threading.Thread] = []
        self.routes: dict[str, Callable[[dict[str, Any], str], Answer]] = {
            "GET /instances": lambda _b, _i: [state.shown(one) for one in state.living()],
            "GET /instances/{id}": self._get,
            "POST /instances/{id}": self._rename,
            "POST /instance-operations/launch": self._launch,
            "POST /instance-operations/terminate": self._terminate,
            "POST /instance-operations/restart": self._restart,
            "GET /instance-types": self._types,
            "GET /images": lambda _b, _i: state.shown_images(),
            "GET /regions": lambda _b, _i: [region(name) for name in REGIONS],
            "GET /ssh-keys": lambda _b, _i: list(state.keys.values()),
            "POST /ssh-keys": self._add_key,
            "DELETE /ssh-keys/{id}": self._delete_key,
            "GET /firewall-rulesets": lambda _b, _i: [state.shown_ruleset(one) for one in state.rulesets],
            "POST /firewall-rulesets": self._add_ruleset,
            "GET /firewall-rulesets/{id}": self._get_ruleset,
            "PATCH /firewall-rulesets/{id}": self._change_ruleset,
            "DELETE /firewall-rulesets/{id}": self._delete_ruleset,
            "GET /file-systems": lambda _b, _i: [state.shown_system(one) for one in state.systems],
            "POST /filesystems": self._add_system,
            "DELETE /filesystems/{id}": self._delete_system,
        }

    def _types(self, _body: dict[str, Any], _id: str) -> Answer:
        return {
            one.name: {
                "instance_type": one.shown(),
                "regions_with_capacity_available": [region(name) for name in one.regions],
            }
            for one in self._state.types
        }

    def _get(self, _body: dict[str, Any], instance_id: str) -> Answer:
        return self._state.shown(self._instance(instance_id))

    def _rename(self, body: dict[str, Any], instance_id: str) -> Answer:
        one = self._instance(instance_id)
        one.body["name"] = body.get("name", "")
        return self._state.shown(one)

    def _launch(self, body: dict[str, Any], _id: str) -> Answer:
        state = self._state
        kind = next((one for one in state.types if one.name == body["instance_type_name"]), None)
        if kind is None or body["region_name"] not in REGIONS:
            raise invalid("Instance type or region does not exist.")
        self._check_key(body)
        self._check_surroundings(body)
        if state.quota is not None and len(state.living()) >= state.quota:
            raise RefusedError(400, "global/quota-exceeded", "Quota exceeded.", "Contact Support.")
        if body["region_name"] not in kind.regions or body["region_name"] in state.full:
            raise full()
        one = Instance(state.new_id(), body, kind, state.clock.now())
        mounted = [mount["file_system_id"] for mount in body.get("file_system_mounts", [])]
        one.systems = [str(state.systems[system_id]["name"]) for system_id in mounted]
        state.instances[one.id] = one
        state.note("launch", "instance", one.name)
        self._boot(one)
        return {"instance_ids": [one.id]}

    def _check_key(self, body: dict[str, Any]) -> None:
        names = Counter(key["name"] for key in self._state.keys.values())
        (name,) = body["ssh_key_names"] if len(body["ssh_key_names"]) == 1 else ("",)
        if not names[name]:
            raise RefusedError(400, "global/object-does-not-exist", "SSH key does not exist.", "Check its name.")
        if names[name] > 1:
            raise RefusedError(500, "global/unknown", _DUPLICATE)

    def _check_surroundings(self, body: dict[str, Any]) -> None:
        state, place = self._state, body["region_name"]
        family = body.get("image", {}).get("family")
        if family is not None and family not in state.families:
            raise RefusedError(400, "global/object-does-not-exist", "Image family does not exist.", "Check its name.")
        for entry in body.get("firewall_rulesets", []):
            ruleset = state.rulesets.get(entry["id"])
            if ruleset is None or ruleset["region"]["name"] != place:
                raise RefusedError(400, "global/object-does-not-exist", "Firewall ruleset does not exist.", "Check it.")
        for mount in body.get("file_system_mounts", []):
            system = state.systems.get(mount["file_system_id"])
            if system is None:
                raise RefusedError(400, "global/object-does-not-exist", "Filesystem does not exist.", "Check it.")
            if system["region"]["name"] != place:
                code = "instance-operations/launch/file-system-in-wrong-region"
                raise RefusedError(400, code, "The filesystem is in another region.")

    def _boot(self, one: Instance) -> None:
        boots = self._state.boots
        if boots is None:
            one.address = _QUIET
            return

        def boot() -> None:
            machine = boots(one)
            one.machine = machine
            if one.ends_at is None:
                one.address = machine.address
            else:
                machine.remove()

        thread = threading.Thread(target=boot, daemon=True)
        self.boots.append(thread)
        thread.start()

    def _terminate(self, body: dict[str, Any], _id: str) -> Answer:
        state = self._state
        found = [self._instance(one) for one in body["instance_ids"]]
        if state.keeps_terminated:
            state.keeps_terminated -= 1
            return {"terminated_instances": [state.shown(one) for one in found]}
        for one in found:
            if one.ends_at is None:
                one.ends_at = state.clock.now() + state.end_s
                state.note("terminate", "instance", one.name)
                if one.machine is not None:
                    one.machine.remove()
        return {"terminated_instances": [state.shown(one) for one in found]}

    def _restart(self, body: dict[str, Any], _id: str) -> Answer:
        return {"restarted_instances": [self._state.shown(self._instance(one)) for one in body["instance_ids"]]}

    def _instance(self, instance_id: str) -> Instance:
        one, now = self._state.instances.get(instance_id), self._state.clock.now()
        if one is None or (one.ends_at is not None and now >= one.ends_at + LISTED_S):
            raise absent("Specified instance")
        return one

    def _add_key(self, body: dict[str, Any], _id: str) -> Answer:
        if body.get("public_key", "").split(" ")[0] not in _KEY_TYPES:
            raise invalid("That is no public key.")
        made = {"id": self._state.new_id(), "name": body["name"], "public_key": body["public_key"]}
        self._state.keys[made["id"]] = made
        self._state.note("create", "ssh-key", made["name"])
        return made

    def _delete_key(self, _body: dict[str, Any], key_id: str) -> Answer:
        gone = self._state.keys.pop(key_id, None)
        if gone is None:
            # The description has nothing but global/not-found here.
            raise RefusedError(404, "global/not-found", "The requested resource was not found.")
        self._state.note("delete", "ssh-key", gone["name"])
        return {}

    def _add_ruleset(self, body: dict[str, Any], _id: str) -> Answer:
        if body["region"] not in REGIONS:
            raise invalid("Region does not exist.")
        if body["region"] == "us-south-1":
            raise invalid("Firewall rulesets do not apply in us-south-1.")
        made = {"id": self._state.new_id(), **body, "region": region(body["region"])}
        made["created"] = datetime.now(UTC).isoformat()
        self._state.rulesets[made["id"]] = made
        self._state.note("create", "firewall-ruleset", made["name"])
        return self._state.shown_ruleset(made["id"])

    def _get_ruleset(self, _body: dict[str, Any], ruleset_id: str) -> Answer:
        self._ruleset(ruleset_id)
        return self._state.shown_ruleset(ruleset_id)

    def _change_ruleset(self, body: dict[str, Any], ruleset_id: str) -> Answer:
        self._ruleset(ruleset_id).update(body)
        self._state.note("change", "firewall-ruleset", self._ruleset(ruleset_id)["name"])
        return self._state.shown_ruleset(ruleset_id)

    def _delete_ruleset(self, _body: dict[str, Any], ruleset_id: str) -> Answer:
        ruleset = self._ruleset(ruleset_id)
        if self._state.shown_ruleset(ruleset_id)["instance_ids"]:
            code = "firewall-rulesets/firewall-ruleset-in-use"
            raise RefusedError(400, code, "Firewall ruleset is in use.", "Terminate all instances that use it.")
        del self._state.rulesets[ruleset_id]
        self._state.note("delete", "firewall-ruleset", ruleset["name"])
        return {}

    def _ruleset(self, ruleset_id: str) -> dict[str, Any]:
        if ruleset_id not in self._state.rulesets:
            raise absent("Firewall ruleset")
        return self._state.rulesets[ruleset_id]

    def _add_system(self, body: dict[str, Any], _id: str) -> Answer:
        if body["region"] not in REGIONS:
            raise invalid("Region does not exist.")
        if any(one["name"] == body["name"] for one in self._state.systems.values()):
            raise RefusedError(400, "global/duplicate", "A filesystem of that name exists.")
        made = {"id": self._state.new_id(), "name": body["name"], "region": region(body["region"])}
        self._state.systems[made["id"]] = made
        self._state.note("create", "file-system", made["name"])
        return self._state.shown_system(made["id"])

    def _delete_system(self, _body: dict[str, Any], system_id: str) -> Answer:
        if system_id not in self._state.systems:
            raise absent("Filesystem")
        if self._state.is_mounted(system_id):
            raise RefusedError(400, "filesystems/filesystem-in-use", "Filesystem is in use.")
        gone = self._state.systems.pop(system_id)
        self._state.note("delete", "file-system", gone["name"])
        return {"deleted_ids": [system_id]}
