from __future__ import annotations

from tests.cli.process import Plexctl
from tests.clouds.hub import Content, Hub, personaplex
from tests.gpus.shapes import entries, header

from plexctl.gpus import PERSONAPLEX_7B

CANARY = "hf_canary_5b1e"
FINE_TUNE = "me/tuned"


def _with_model(hub: Hub, dtype: str) -> dict[str, str]:
    """Put a checkpoint of the 7B's shapes behind a gate, and return the environment that may read it."""
    head = header(entries(dtype))
    hub.add_token(CANARY, "ann")
    repository = personaplex(hub, FINE_TUNE, access={"ann": "granted"})
    repository.files["model.safetensors"] = Content(len(head) + 4 * PERSONAPLEX_7B.parameters, head)
    return {"HF_ENDPOINT": hub.url, "HF_TOKEN": CANARY}


def test_a_plan_is_sized_by_the_models_own_header(plexctl: Plexctl) -> None:
    """A fine-tune in F32 weighs twice as much: cards that hold the 7B are refused for it, and the budget says why."""
    with Hub() as hub:
        done = plexctl(
            *("plan", "--provider", "modal", "--gpu", "A10", "--model", FINE_TUNE, "--read-checkpoint", "--json"),
            env=_with_model(hub, "F32"),
        )
    assert done.rc == 6, done.stdout + done.stderr
    assert "GiB" in done.stdout
    assert CANARY not in done.stdout + done.stderr


def test_the_budget_of_the_true_shapes_is_that_of_the_built_in_model(plexctl: Plexctl) -> None:
    """Read from the Hub or known beforehand, the 7B model takes the same memory."""
    arguments = ("plan", "--provider", "modal", "--json")
    with Hub() as hub:
        environment = _with_model(hub, "BF16")
        read = plexctl(*arguments, "--model", FINE_TUNE, "--read-checkpoint", env=environment)
    known = plexctl(*arguments)
    assert (read.rc, known.rc) == (0, 0), read.stdout
    assert read.data["budget"] == known.data["budget"]
    assert read.data["checkpoint"]["parameters"] == 8_371_408_896
    assert read.data["checkpoint"]["weight_bytes"] == 16_742_817_792
    assert FINE_TUNE in read.data["checkpoint"]["source"]
