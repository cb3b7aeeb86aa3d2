"""The pages about policies, and the stop."""

from django.urls import path

from policies import views

urlpatterns = [
    path("policies/", views.policies, name="policies"),
    path("policies/<slug:key>/", views.policy, name="policy"),
    path("policies/<slug:key>/versions/<int:number>/", views.version, name="policy-version"),
    path("pause", views.pause, name="pause-everything"),
    path("resume", views.resume, name="resume-everything"),
    path("workflows/<slug:key>/pause", views.pause, name="pause-workflow"),
    path("workflows/<slug:key>/resume", views.resume, name="resume-workflow"),
]
