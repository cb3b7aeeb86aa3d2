"""What every verb here may refuse with: a sentence for whoever asked."""


class PolicyRefused(Exception):
    """The change was not made; `detail` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotAllowed(PolicyRefused):
    """The person may not do this (403)."""


class ReasonMissing(PolicyRefused):
    """A change of a policy or switch says why (422)."""


def require(allowed: bool, *, detail: str) -> None:  # noqa: FBT001  the answer of a permission
    """Raises NotAllowed unless `allowed`."""
    if not allowed:
        raise NotAllowed(detail)


def written(reason: str) -> str:
    """`reason` without blanks around it. Raises ReasonMissing where nothing is left."""
    if not reason.strip():
        raise ReasonMissing("Say why: the reason is kept with the change.")
    return reason.strip()
