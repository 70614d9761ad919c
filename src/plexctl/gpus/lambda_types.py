"""Which GPU an instance type of Lambda's has: its name says it, with a count and a form, such as `gpu_8x_h100_sxm5`."""

from __future__ import annotations

import re

from plexctl.gpus.table import Gpu, matching

_COUNT = re.compile(r"^gpu_\d+x_")
_FORM = re.compile(r"_sxm\d$")


def gpu_of_type(name: str) -> Gpu | None:
    """Return the GPU of an instance type; None for one that nobody knows."""
    single = _COUNT.sub("gpu_1x_", name)
    for spelling in (name, single, _FORM.sub("", single)):
        found = matching(spelling, "lambda")
        if found:
            return found[0]
    return None
