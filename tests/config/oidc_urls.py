"""The console's addresses with those of the OIDC log-in, as they are where OIDC_CLIENT_ID is set."""

from django.urls import include, path

from config.urls import handler500, urlpatterns

__all__ = ["handler500", "urlpatterns"]

urlpatterns = [path("oidc/", include("mozilla_django_oidc.urls")), *urlpatterns]
