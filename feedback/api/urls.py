from django.urls import path

from feedback.api import views

urlpatterns = [
    path("insights/overrides", views.Overrides.as_view(), name="api-overrides"),
    path("insights/calibration", views.Calibration.as_view(), name="api-calibration"),
    path("insights/risk", views.Risk.as_view(), name="api-risk"),
    path("insights/thresholds", views.Thresholds.as_view(), name="api-thresholds"),
    path("insights/audits", views.Audits.as_view(), name="api-audits"),
    path("insights/agreement", views.Agreement.as_view(), name="api-agreement"),
    path("insights/drift", views.Drift.as_view(), name="api-drift"),
]
