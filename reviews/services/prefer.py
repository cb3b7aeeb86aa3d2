"""How a reviewer wants the console."""

from django.contrib.auth.models import User

from reviews.models import ReviewerProfile


def set_preferences(user: User, *, theme: str, shows_sensitive: bool, away: bool) -> ReviewerProfile:
    """Write the profile. Raises nothing; `theme` is a member of Theme. While away, no answered ticket is kept."""
    preferred = {"theme": theme, "shows_sensitive": shows_sensitive, "away": away}
    return ReviewerProfile.objects.update_or_create(user=user, defaults=preferred)[0]
