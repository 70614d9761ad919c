from __future__ import annotations

from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from tests.hosts.cases import CASES, FILLED, MACHINES, schemas

from plexctl_providers._common.placeholders import fill

BODIES = {
    "/ssh-keys": ("lambda-1.10.0.json", "AddSSHKeyRequest"),
    "/firewall-rulesets": ("lambda-1.10.0.json", "FirewallRulesetCreateRequest"),
    "/filesystems": ("lambda-1.10.0.json", "FilesystemCreateRequest"),
    "/instance-operations/launch": ("lambda-1.10.0.json", "InstanceLaunchRequest"),
    "/sshkey": ("ovh.json", "sshkey.create"),
    "/instance": ("ovh.json", "cloud.instance.CreateInput"),
    "/ai/app": ("ovh.json", "AppSpec"),
}
"""End of a path to the part of a description that says what its body is."""
REGION_OF_THE_MAIN_API = {"/ai/app": {"region"}}
"""Beside the SDK's own fields: AI Deploy by the main API is told the region (facts of terraform-provider-ovh)."""


def requests(case: str) -> list[tuple[str, dict[str, Any]]]:
    """Return end of the path and body of each request, placeholders filled in."""
    filled = [fill(one.body, FILLED) for one in CASES[case].plan().resources if "method" in one.body]
    return [(end_of(cast("Any", body)["path"]), cast("Any", body)["json"]) for body in filled]


def end_of(path: str) -> str:
    """Return which request a path is."""
    return next(end for end in BODIES if path.endswith(end))


@pytest.mark.parametrize("case", [*MACHINES, "ai-deploy", "ai-deploy-full"])
def test_bodies_are_what_the_provider_describes(case: str) -> None:
    """Every request fits the provider's description, and has no field that is not in it."""
    for end, body in requests(case):
        file, name = BODIES[end]
        spec = schemas(file)
        described = spec["components"]["schemas"][name]
        assert set(body) - REGION_OF_THE_MAIN_API.get(end, set()) <= set(described["properties"]), end
        schema = {"$ref": f"#/components/schemas/{name}", "components": spec["components"]}
        errors = [error.message for error in Draft202012Validator(schema).iter_errors(body)]
        assert errors == [], end


def test_a_wrong_body_is_refused() -> None:
    """The copied descriptions judge: a name that is too long, and a missing field."""
    spec = schemas("lambda-1.10.0.json")
    schema = {"$ref": "#/components/schemas/InstanceLaunchRequest", "components": spec["components"]}
    body = dict(requests("lambda")[-1][1])
    assert [*Draft202012Validator(schema).iter_errors({**body, "name": "x" * 65})]
    assert [*Draft202012Validator(schema).iter_errors({**body, "tags": [{"key": "Big", "value": ""}]})]
    del body["region_name"]
    assert [*Draft202012Validator(schema).iter_errors(body)]


def test_the_longest_name_fits_everywhere() -> None:
    """A deployment's longest name, with its id, is within the 64 characters that Lambda allows."""
    from tests.hosts.cases import Case

    case = Case("long", "lambda", {"name": "n" * 40}, gpu="A10")
    bodies = [fill(one.body, FILLED) for one in case.plan().resources if "method" in one.body]
    assert max(len(cast("Any", body)["json"].get("name", "")) for body in bodies) <= 64
