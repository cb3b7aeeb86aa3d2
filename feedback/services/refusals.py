"""What every verb may refuse."""


class NotAllowed(Exception):
    """This is for leads, auditors and admins (403)."""

    detail = "This is for leads, auditors and admins."
