from csp.decorators import csp_update
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path
from django.views.generic import TemplateView
from drf_spectacular.views import SpectacularJSONAPIView

from config import accounts, health
from reviews.api.views.permits import jwks

# Its icons are images inside its style sheet; the page shows nothing but our own schema.
api_docs = csp_update({"img-src": ["data:"]})(TemplateView.as_view(template_name="api_docs.html"))

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path(".well-known/jwks.json", jwks, name="jwks"),
    path("login/", accounts.LogIn.as_view(), name="login"),
    path("second-factor/", accounts.second_factor, name="second-factor"),
    path("second-factor/new/", accounts.new_second_factor, name="new-second-factor"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("admin/login/", accounts.admin_log_in, name="admin-login"),
    path("admin/", admin.site.urls),
    path("api/v1/schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/v1/docs", api_docs, name="api-docs"),
    path("api/v1/", include("reviews.api.urls")),
    path("api/v1/", include("policies.api.urls")),
    path("api/v1/", include("feedback.api.urls")),
    path("", include("reviews.urls")),
    path("", include("policies.urls")),
    path("", include("feedback.urls")),
]

if settings.OIDC_CLIENT_ID:
    urlpatterns.insert(0, path("oidc/", include("mozilla_django_oidc.urls")))

handler500 = "config.rest.server_error"
