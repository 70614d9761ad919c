"""Starting, stopping and removing instances, each end read back before anybody says that it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from plexctl.errors import PlexError, ProviderError
from plexctl.states import State
from plexctl_providers.vast.client import VastClient
from plexctl_providers.vast.errors import NoAnswer, Refused, as_plexctls, vast_errors
from plexctl_providers.vast.rows import Instance
from plexctl_providers.vast.states import ENDED, EXITED, status_of

Seen = TypeVar("Seen")
_LOOKS, _PAUSE_S = 8, 2.0
_STOP_LOOKS = 30
"""Docker gives a container ten seconds, and a host tells every few."""


def look_again(
    client: VastClient, look: Callable[[], Seen], is_it: Callable[[Seen], bool], looks: int = _LOOKS
) -> Seen:
    """Look until it is as expected, a few times; returns what was seen last."""
    for _ in range(looks - 1):
        seen = look()
        if is_it(seen):
            return seen
        client.pace.sleep(_PAUSE_S)
    return look()


def start(client: VastClient, instance: Instance) -> bool:
    """Start what does not run; returns whether it had to. Raises NoCapacityError when its GPU is taken."""
    if not instance.is_meant_to_run or status_of(instance, None).state is State.STOPPED:
        try:
            client.order(instance.id, "running")
        except (Refused, NoAnswer) as error:
            # Vast queues such a start, which would bill whenever the GPU is free again.
            with suppress(Refused, NoAnswer):
                client.order(instance.id, "stopped")
            raise as_plexctls(error, f"start instance {instance.id}") from error
        return True
    if instance.actual != EXITED:
        return False
    with vast_errors(f"start instance {instance.id} again"):
        client.restart(instance.id)
    return True


def stop(client: VastClient, instances: Iterable[Instance]) -> None:
    """End what costs while they run, each whatever became of the others. Raises the errors of those that run on."""
    _each(partial(_stop, client), (one for one in instances if not _is_stopped(one)))


def remove(client: VastClient, numbers: Iterable[int]) -> None:
    """End instances for good, each whatever became of the others. Raises the errors of those that are still there."""
    _each(partial(_remove, client), numbers)


def _each(end: Callable[[Seen], None], those: Iterable[Seen]) -> None:
    """End each; raise the first error, with the words of all."""
    errors: list[PlexError] = []
    for one in those:
        try:
            end(one)
        except PlexError as error:
            errors.append(error)
    if errors:
        errors[0].message = "; ".join(error.message for error in errors)
        raise errors[0]


def _stop(client: VastClient, one: Instance) -> None:
    with vast_errors(f"stop instance {one.id}"):
        client.order(one.id, "stopped")
        seen = look_again(client, partial(client.instance, one.id), _is_stopped, _STOP_LOOKS)
    if not _is_stopped(seen):
        words = f"instance {one.id} was told to stop and is {seen.actual if seen else 'gone'}"
        raise ProviderError(words, hint="it bills on: try again, or `plexctl destroy` it")


def _remove(client: VastClient, number: int) -> None:
    failed: Refused | NoAnswer | None = None
    try:
        client.destroy(number)
    except (Refused, NoAnswer) as error:
        # What counts is whether it is still there.
        failed = error
    try:
        is_there = look_again(client, partial(client.instance, number), lambda seen: seen is None)
    except (Refused, NoAnswer) as error:
        raise as_plexctls(failed or error, f"see that instance {number} is gone") from error
    if is_there is not None:
        why = as_plexctls(failed, "destroy it").message if failed else "Vast said that it was destroyed"
        words = f"instance {number} is still there ({why})"
        raise ProviderError(words, hint="it bills on: `plexctl destroy` again ends it, by its label")


def _is_at_rest(instance: Instance) -> bool:
    return status_of(instance, None).state in ENDED


def _is_stopped(instance: Instance | None) -> bool:
    return instance is None or instance.actual == "stopped" or (not instance.is_meant_to_run and _is_at_rest(instance))
