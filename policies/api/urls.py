"""The API of the stop, below /api/v1/."""

from django.urls import path

from policies.api import views

urlpatterns = [
    path("pause", views.PauseEverything.as_view(), name="api-pause-everything"),
    path("resume", views.ResumeEverything.as_view(), name="api-resume-everything"),
    path("workflows/<slug:key>/pause", views.PauseWorkflow.as_view(), name="api-pause-workflow"),
    path("workflows/<slug:key>/resume", views.ResumeWorkflow.as_view(), name="api-resume-workflow"),
]
