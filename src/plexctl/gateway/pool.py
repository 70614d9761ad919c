"""Places at engines: who may talk, counted so that an engine never gets more callers than its capacity.

It knows nothing of processes or sockets. A place belongs to one start of an engine: one given back after a restart
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


class Seat:
    """One start of one engine that is ready: its port, its capacity and who sits at it."""

    def __init__(self, name: str, port: int, capacity: int) -> None:
        self.name = name
        self.port = port
        self.capacity = capacity
        self.busy = 0


@dataclass(slots=True)
class Place:
    """The right to one conversation at an engine, until `give_back`."""

    seat: Seat
    _is_held: bool = True

    def give_back(self) -> None:
        """Free the place; a second call does nothing."""
        if self._is_held:
            self._is_held = False
            self.seat.busy -= 1


class Pool:
    """The engines that are ready."""

    def __init__(self) -> None:
        self._seats: list[Seat] = []

    def add(self, seat: Seat) -> None:
        """Let callers in at an engine."""
        self._seats.append(seat)

    def remove(self, seat: Seat) -> None:
        """Let nobody more in at an engine that is gone."""
        if seat in self._seats:
            self._seats.remove(seat)

    @property
    def capacity(self) -> int:
        """Places in all, taken or free."""
        return sum(seat.capacity for seat in self._seats)

    @property
    def busy(self) -> int:
        """Places taken."""
        return sum(seat.busy for seat in self._seats)

    def take(self) -> Place | None:
        """Return a place at the engine with the fewest callers, or None when all are full."""
        free = [seat for seat in self._seats if seat.busy < seat.capacity]
        if not free:
            return None
        seat = min(free, key=lambda seat: seat.busy / seat.capacity)
        seat.busy += 1
        return Place(seat)
