"""The project's URLs, and below `/plain/` the same endpoints as Django REST framework makes them of the models."""

from django.urls import include, path

from .plain_viewsets import PlainPatientRecordViewSet, PlainPhotoViewSet, PlainRecordViewSet, PlainTemplateViewSet

urlpatterns = [
    path("plain/medical-record-templates", PlainTemplateViewSet.as_view({"get": "list"})),
    path("plain/medical-records/<int:pk>", PlainRecordViewSet.as_view({"get": "retrieve", "patch": "update"})),
    path(
        "plain/patients/<int:patient_id>/medical-records",
        PlainPatientRecordViewSet.as_view({"get": "list", "post": "create"}),
    ),
    path("plain/patient-photos", PlainPhotoViewSet.as_view({"get": "list"})),
    path("plain/patient-photos/<int:pk>/thumbnail", PlainPhotoViewSet.as_view({"get": "thumbnail"})),
    path("", include("clinic_project.urls")),
]
