"""Back-tests of a policy version."""

from dataclasses import dataclass

from feedback.models import Backtest
from policies.domain.spec import digest_of
from policies.models import PolicyVersion
from policies.queries import document_of


@dataclass(frozen=True, slots=True)
class Tried:
    """The back-tests of one version, newest first. `exact` are those of the version just as it is now."""

    version: PolicyVersion
    digest: str
    runs: tuple[Backtest, ...]

    @property
    def exact(self) -> tuple[Backtest, ...]:
        return tuple(run for run in self.runs if run.digest == self.digest)

    @property
    def newest(self) -> Backtest | None:
        """What the page that publishes the version shows."""
        return next(iter(self.exact), None)


def backtests_of(version: PolicyVersion) -> Tried:
    """A draft that was changed since leaves its earlier back-tests behind."""
    runs = Backtest.objects.filter(version=version).select_related("requested_by").order_by("-pk")[:20]
    return Tried(version=version, digest=digest_of(document_of(version)), runs=tuple(runs))
