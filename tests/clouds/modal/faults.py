"""What can go wrong at the loopback Modal: a refusal, an answer that gets lost, one that is late, a cut connection."""

from __future__ import annotations

from dataclasses import dataclass

from grpclib.const import Status


@dataclass
class Fault:
    """Strikes the calls of one method (all methods, when empty); `times` None means always."""

    method: str = ""
    status: Status | None = None
    message: str = ""
    is_lost: bool = False
    """The call takes effect, and its answer never arrives."""
    delay_s: float = 0.0
    times: int | None = None
    after: int = 0
    """Calls that it lets pass first."""

    def strikes(self, method: str) -> bool:
        """Tell whether it strikes this call; counts down."""
        if self.times == 0 or self.method not in ("", method):
            return False
        if self.after:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


def unavailable(method: str = "", times: int | None = None) -> Fault:
    """Return what a client sees of a server that is restarted."""
    return Fault(method, Status.UNAVAILABLE, "upstream connect error", times=times)
