"""How a reviewer wants the console: their preferences, and the filters they keep."""

from typing import Final

from django.contrib.auth.models import User

from reviews.models import ReviewerProfile, SavedFilter

MOST_FILTERS: Final = 20
"""So many filters a person keeps at most: they are a row on the desk."""
LONGEST_QUERY: Final = 500


class FilterRefused(Exception):
    """The filter can't be kept (422); `detail` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def set_preferences(user: User, *, theme: str, shows_sensitive: bool, away: bool) -> ReviewerProfile:
    """Write the profile. Raises nothing; `theme` is a member of Theme. While away, no answered ticket is kept."""
    preferred = {"theme": theme, "shows_sensitive": shows_sensitive, "away": away}
    return ReviewerProfile.objects.update_or_create(user=user, defaults=preferred)[0]


def keep_filter(user: User, *, title: str, query: str) -> SavedFilter:
    """Keep a filter of the desk under a name; the same name again takes the new one. Raises FilterRefused."""
    if not query:
        raise FilterRefused("There is no filter to keep: choose something first.")
    if len(query) > LONGEST_QUERY:
        raise FilterRefused("The filter is too long to be kept.")
    kept = SavedFilter.objects.filter(user=user)
    if not kept.filter(title=title).exists() and kept.count() >= MOST_FILTERS:
        raise FilterRefused(f"You keep {MOST_FILTERS} filters already: delete one first.")
    return SavedFilter.objects.update_or_create(user=user, title=title, defaults={"query": query})[0]


def forget_filter(filter_id: int, *, user: User) -> None:
    """Delete one of their own filters; what isn't theirs, or isn't there any more, stays as it is."""
    SavedFilter.objects.filter(pk=filter_id, user=user).delete()
