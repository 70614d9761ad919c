"""What `gc` has to say in the end: its document, and whether anything is left that is not as recorded."""

from __future__ import annotations

from dataclasses import dataclass

from plexctl.errors import DriftError, ProviderError
from plexctl.flows.collecting import ENDS, Collected
from plexctl.flows.drift import Difference, Kind
from plexctl.flows.surveying import Survey


@dataclass(frozen=True, slots=True)
class Tally:
    """What was found, and what became of it."""

    survey: Survey
    collected: Collected

    @property
    def left(self) -> list[Difference]:
        """What was found and not ended."""
        ended = {id(one) for one in self.collected.deleted}
        return [one for one in self.survey.differences if id(one) not in ended]

    def to_dict(self) -> dict[str, object]:
        """Return the document's data."""
        prices = [one.price for one in self.left]
        return {
            "orphans": self._of(Kind.ORPHAN),
            "young": self._of(Kind.YOUNG),
            "ghosts": self._of(Kind.GHOST),
            "expired": self._of(Kind.EXPIRED),
            "stopped": self._of(Kind.STOPPED),
            "kept": self._of(Kind.KEPT),
            "deleted": [one.to_dict() for one in self.collected.deleted],
            "failed": [{**one.to_dict(), "message": error.message} for one, error in self.collected.failed],
            "busy": [ref.label for ref in self.survey.busy] + [one.seen.ref.label for one, _ in self.collected.left],
            "price_per_hour": round(sum(one for one in prices if one is not None), 6),
            "unpriced": sum(one is None for one in prices),
            "providers": {
                "asked": self.survey.asked,
                "not_set_up": self.survey.not_set_up,
                "unheard": self.survey.unheard,
                "failed": self.survey.failed,
            },
        }

    def raise_what_is_left(self, *, deletes: bool) -> None:
        """Raise ProviderError for what could not be asked or ended, else DriftError for what is wrong and left."""
        failures = [f"{name} could not be asked: {words}" for name, words in self.survey.failed.items()]
        failures += [error.message for _, error in self.collected.failed]
        if failures:
            hints = [error.hint for _, error in self.collected.failed if error.hint]
            hint = hints[0] if hints else "mend that, and run `plexctl gc` again"
            raise ProviderError("; ".join(failures), hint=hint, data=self.to_dict())
        wrong = [one for one in self.left if one.is_wrong]
        if not wrong:
            return
        names = ", ".join(f"{one.seen.ref.label} on {one.seen.ref.provider} ({one.kind})" for one in wrong)
        hint = self._hint({one.kind for one in wrong}, deletes=deletes)
        raise DriftError(f"not as recorded: {names}", hint=hint, data=self.to_dict())

    def _hint(self, kinds: set[Kind], *, deletes: bool) -> str:
        if kinds & set(ENDS) and not deletes:
            return "`plexctl gc --delete` ends them"
        if Kind.YOUNG in kinds:
            return "when nobody is deploying them from another machine: `plexctl gc --delete --young`"
        if Kind.STOPPED in kinds:
            return "`plexctl start` or `plexctl destroy` each"
        return "run `plexctl gc` again"

    def _of(self, kind: Kind) -> list[dict[str, object]]:
        return [one.to_dict() for one in self.survey.differences if one.kind is kind]
