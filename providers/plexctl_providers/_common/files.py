"""Plans as files to take away: texts that are what would be sent, with placeholders for what is secret."""

from __future__ import annotations

import json

from plexctl.model import Plan, PlannedResource


def as_json(value: object) -> str:
    """Return a value as the text of a JSON file, keys in the order given."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def resource(plan: Plan, kind: str) -> PlannedResource:
    """Return the plan's first resource of a kind. Raises LookupError: a bug of the adapter's."""
    found = next((one for one in plan.resources if one.kind == kind), None)
    if found is None:
        raise LookupError(f"the plan for {plan.provider} has no {kind}")
    return found
