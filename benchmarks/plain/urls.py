"""One ModelViewSet, which writes two rows."""

from django.db import transaction
from rest_framework.routers import SimpleRouter
from rest_framework.serializers import BaseSerializer, ModelSerializer
from rest_framework.viewsets import ModelViewSet

from benchmarks.plain.models import PlainDecision, PlainTicket


class DecisionSerializer(ModelSerializer):
    class Meta:
        model = PlainDecision
        fields = "__all__"


class Decisions(ModelViewSet):
    queryset = PlainDecision.objects.all()
    serializer_class = DecisionSerializer

    @transaction.atomic
    def perform_create(self, serializer: BaseSerializer) -> None:
        PlainTicket.objects.create(decision=serializer.save())


router = SimpleRouter()
router.register("decisions", Decisions)
urlpatterns = router.urls
