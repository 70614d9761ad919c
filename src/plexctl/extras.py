"""Which extras are installed, and whether their versions are those that plexctl works with and go together.

Read from the installed distributions' own metadata; nothing of theirs is imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata

from plexctl.model import Finding, Level

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)\s*(?P<bounds>[^;\[]*);.*extra\s*==\s*['\"](?P<extra>\w+)['\"]")
_BOUND = re.compile(r"(?P<sign>>=|<=|==|<|>)\s*(?P<version>[\d.]+)")
_NUMBER = re.compile(r"\d+")
_HOLDS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": lambda has, wants: has >= wants,
    "<=": lambda has, wants: has <= wants,
    "==": lambda has, wants: has == wants,
    "<": lambda has, wants: has < wants,
    ">": lambda has, wants: has > wants,
}
_CONFLICTS = (("runpod", ">=1.12", "vastai-sdk", "pip install 'runpod<1.12'"),)
"""A distribution and its versions, what they cannot stand beside, and the way out (pyproject.toml, extra `runpod`)."""

Installed = Callable[[str], str | None]
"""Returns the version of an installed distribution, None when there is none."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What an extra of plexctl needs."""

    extra: str
    name: str
    bounds: str


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution, None when there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def requirements() -> list[Requirement]:
    """Return what the extras need; nothing when plexctl runs from a bare checkout, which has no metadata."""
    try:
        lines = metadata.requires("plexctl") or []
    except metadata.PackageNotFoundError:
        return []
    return parse_requirements(lines)


def parse_requirements(lines: Iterable[str]) -> list[Requirement]:
    """Return the requirements of extras among `Requires-Dist` lines; those on plexctl itself are left out."""
    found = (_REQUIREMENT.match(line) for line in lines)
    return [
        Requirement(match["extra"], match["name"], match["bounds"].strip())
        for match in found
        if match and match["extra"] != "all" and match["name"] != "plexctl"
    ]


def check_extras(needs: Iterable[Requirement], version_of: Installed = installed_version) -> list[Finding]:
    """Say which extras are there, which are not, and what does not go together."""
    present, missing, findings = [], [], []
    for need in needs:
        version = version_of(need.name)
        if version is None:
            missing.append(need.extra)
            continue
        present.append(f"{need.name} {version}")
        if not satisfies(version, need.bounds):
            words = f"{need.name} {version} is installed; the extra {need.extra} needs {need.bounds}"
            findings.append(Finding("extras", Level.FAIL, words, f"pip install 'plexctl[{need.extra}]'"))
    for name, bounds, other, fix in _CONFLICTS:
        version, beside = version_of(name), version_of(other)
        if version and beside and satisfies(version, bounds):
            words = f"{name} {version} and {other} {beside} do not work together"
            findings.append(Finding("extras", Level.FAIL, words, fix))
    return findings or [_all_well(present, missing)]


def satisfies(version: str, bounds: str) -> bool:
    """Tell whether a version lies within bounds such as `>=1.10.1,<1.12`; pre-releases count as their release."""
    has = _parts(version)
    return all(_HOLDS[found["sign"]](has, _parts(found["version"])) for found in _BOUND.finditer(bounds))


def _parts(version: str) -> tuple[int, ...]:
    numbers = []
    for piece in version.split("."):
        digits = _NUMBER.match(piece)
        if digits is None:
            break
        numbers.append(int(digits[0]))
        if digits[0] != piece:
            break
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _all_well(present: list[str], missing: list[str]) -> Finding:
    words = f"installed: {', '.join(present) or 'none'}"
    if not missing:
        return Finding("extras", Level.OK, words)
    fix = f"when you need them: pip install 'plexctl[{','.join(missing)}]'"
    return Finding("extras", Level.OK, f"{words}; not installed: {', '.join(missing)}", fix)
