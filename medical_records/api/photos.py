"""The endpoints of patients' photos: `/clinic/patient-photos`."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiRequest, OpenApiResponse
from rest_framework.decorators import action
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.api.idempotency import idempotent
from clinic_project.api.openapi import CHANGING, CONTENT_ETAG, CREATING, READING, documented
from clinic_project.api.problems import InvalidInput, Problem
from clinic_project.api.serializers import Row
from clinic_project.api.versions import etag
from clinic_project.audit import transactions
from clinic_project.clinics.earlier_states import State
from clinic_project.clinics.models import Patient
from medical_records import services
from medical_records.exceptions import StaleVersion
from medical_records.models import MedicalRecord, PatientPhoto
from medical_records.photos.decoding import ImageError, TooManyBytes
from medical_records.photos.processing import CONTENT_TYPE
from medical_records.photos.responses import AnotherFile, FileMissing, photo_response
from medical_records.photos.storage import StorageUnavailable
from medical_records.photos.uploads import upload_photo
from medical_records.querysets import PhotoQuerySet

from .base import storage_fails
from .filters import PhotoFilterSet
from .history import HistoryViewSet, as_it_was
from .serializers import (
    AmendmentInputSerializer,
    HistoryEntryOutputSerializer,
    PastPhotoOutputSerializer,
    PastRecordOutputSerializer,
    PhotoAttachmentSerializer,
    PhotoChangeSerializer,
    PhotoOutputSerializer,
    PhotoUploadSerializer,
    RecordDetailOutputSerializer,
    RecordPhotosOutputSerializer,
    StaleRecordSerializer,
)
from .upload_handlers import ImageUploadHandler

_UPLOAD = OpenApiRequest(PhotoUploadSerializer, encoding={"file": {"contentType": "image/jpeg, image/png, image/webp"}})
_IMAGE = {
    (200, CONTENT_TYPE): OpenApiResponse(OpenApiTypes.BINARY, description="The picture."),
}


_READING_FILE = (*READING, 412)


class PhotoViewSet(HistoryViewSet[PhotoQuerySet]):
    queryset = PatientPhoto.objects.all()
    filterset_class = PhotoFilterSet
    ordering = ("-created_at", "-id")
    shown_beside = ("record_entered_in_error",)
    serializer_class = PhotoOutputSerializer
    past_serializer = PastPhotoOutputSerializer
    input_serializers = {
        "create": PhotoUploadSerializer,
        "partial_update": PhotoChangeSerializer,
        "destroy": AmendmentInputSerializer,
        "restore": AmendmentInputSerializer,
        "attach": PhotoAttachmentSerializer,
    }
    detail_route = "medical_records:photo-detail"
    documented_tag = "photos"

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        if self.takes_upload:
            # Set before anything reads the body, as the check of a session's CSRF token does.
            request.upload_handlers = [ImageUploadHandler(request)]
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        charset = (request._request.content_params or {}).get("charset", "utf-8")
        if self.takes_upload and charset.lower() not in {"utf-8", "utf8", "us-ascii"}:
            raise Problem(400, "unreadable-body", "The body can't be read", "Send the form in UTF-8.")

    def get_parsers(self) -> list[BaseParser]:
        return [MultiPartParser()] if self.takes_upload else super().get_parsers()

    @property
    def takes_upload(self) -> bool:
        """Whether the route is that of `create`. DRF sets `self.action` only after it has asked for the parsers."""
        return "create" in self.action_map.values()

    def as_api_error(self, exc: Exception) -> Exception:
        match exc:
            case TooManyBytes():
                errors = {"file": [str(exc)]}
                return Problem(413, "upload-too-large", "The picture is too large", str(exc), errors=errors)
            case ImageError():
                return InvalidInput({"file": [str(exc)]})
            case AnotherFile():
                detail = "The file isn't the one that `If-Match` names."
                return Problem(412, "another-file", "Another file", detail)
            case StorageUnavailable():
                return storage_fails()
            case FileMissing():
                exc.log()
                detail = "The photo is known, but its file is missing from the storage. Tell whoever runs the server."
                return Problem(404, "file-missing", "The file is missing", detail)
        return super().as_api_error(exc)

    @documented("listPhotos", PhotoOutputSerializer, etag=CONTENT_ETAG, conditional=True)
    def list(self, request: Request) -> Response:
        """List a patient's photos, the newest first."""
        return super().list(request)

    @documented(
        "uploadPhoto",
        PhotoOutputSerializer,
        status=201,
        request={"multipart/form-data": _UPLOAD},
        problems=CREATING,
        etag=CONTENT_ETAG,
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Upload a picture to a patient's gallery, or for a record."""
        given = self.valid_input()
        patient = self.of_clinic(Patient, given["patient_id"])
        record = self._record(given.get("medical_record_id"))
        photo = upload_photo(
            given["file"].read(),
            patient,
            filename=given["file"].name,
            description=given.get("description"),
            record=record,
            uploaded_by=self.access.user,
        )
        columns = {**vars(photo), "record_entered_in_error": bool(record and record.entered_in_error_at)}
        [row] = PhotoOutputSerializer.represent([PhotoOutputSerializer.row_of(columns)])
        version = photo.row_version  # type: ignore[attr-defined]  # annotated
        return self.respond(row, self.etag_of(row, version), status=201)

    @documented("getPhoto", PhotoOutputSerializer, etag=CONTENT_ETAG, conditional=True)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show what is known of a photo, in the trash or not."""
        return self.show(pk)

    @documented("updatePhoto", PhotoOutputSerializer, problems=CREATING, etag=CONTENT_ETAG)
    @transactions.atomic
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change the description of a photo."""
        services.change_photo(self.get_queryset(), pk, self.access.user, **self.valid_input())
        return self.row_response(pk)

    @documented("deletePhoto", None, status=204, problems=CREATING)
    def destroy(self, request: Request, pk: int) -> Response:
        """Put a photo into the trash."""
        services.move_photo_to_trash(self.get_queryset(), pk, self.access.user, **self.valid_input())
        return Response(status=204)

    @documented("restorePhoto", PhotoOutputSerializer, problems=CREATING, etag=CONTENT_ETAG)
    @action(detail=True, methods=["post"])
    @transactions.atomic
    def restore(self, request: Request, pk: int) -> Response:
        """Take a photo out of the trash, unless its record is there too."""
        services.restore_photo(self.get_queryset(), pk, self.access.user, **self.valid_input())
        return self.row_response(pk)

    @documented("getPhotoFile", None, responses=_IMAGE, problems=_READING_FILE, etag=CONTENT_ETAG, conditional=True)
    @action(detail=True)
    def file(self, request: Request, pk: int) -> HttpResponseBase:
        """Send the picture."""
        return self._image(pk, thumbnail=False)

    @documented(
        "getPhotoThumbnail", None, responses=_IMAGE, problems=_READING_FILE, etag=CONTENT_ETAG, conditional=True
    )
    @action(detail=True)
    def thumbnail(self, request: Request, pk: int) -> HttpResponseBase:
        """Send a small picture, at most 300 pixels wide and high."""
        return self._image(pk, thumbnail=True)

    @documented("listPhotoHistory", HistoryEntryOutputSerializer(many=True), etag=CONTENT_ETAG, conditional=True)
    @action(detail=True, filterset_class=None)
    def history(self, request: Request, pk: int) -> Response:
        """List what was done to a photo, the newest change first."""
        return self.history_response(pk)

    @documented(
        "getPastPhoto", None, responses=as_it_was(PastPhotoOutputSerializer), etag=CONTENT_ETAG, conditional=True
    )
    @action(detail=True, url_path="history/<sequence:sequence>")
    def past(self, request: Request, pk: int, sequence: int) -> Response:
        """Show what was known of a photo after a change: the one that has this place in its history."""
        return self.past_response(pk, sequence)

    @documented("attachPhotos", RecordPhotosOutputSerializer, problems=CHANGING, stale=StaleRecordSerializer)
    @action(detail=False, methods=["post"], past_serializer=PastRecordOutputSerializer)
    @transactions.atomic
    def attach(self, request: Request) -> Response:
        """Put photos on a record, beside those that it has. As if the record were saved with them, none is pending then."""
        versions, given = self.validated_change()
        record_id = given["record_id"]
        records = MedicalRecord.objects.for_clinic(self.clinic)
        reason = given.get("amendment_reason")
        services.attach_photos(records, record_id, versions, given["photo_ids"], self.access.user, reason)
        version = records.values_list("version", flat=True).get(pk=record_id)
        photos = PhotoOutputSerializer.represent_on(self.clinic.pk, {"id": record_id, "is_deleted": False})
        shown = {"record_id": record_id, "version": version, "photos": photos}
        return Response(shown, headers={"ETag": etag(version)})

    def current_row(self, stale: StaleVersion) -> Row:
        """Return the record that photos were to be put on."""
        records = MedicalRecord.objects.for_clinic(self.clinic)
        row = RecordDetailOutputSerializer.read(records).get(pk=stale.current.pk)
        return RecordDetailOutputSerializer.represent([row])[0]

    def past_columns(self, row: Any, state: State) -> Row:
        columns = super().past_columns(row, state)
        marked = MedicalRecord.objects.for_clinic(self.clinic).in_error().filter(pk=columns["medical_record_id"])
        return {**columns, "record_entered_in_error": marked.exists()}

    def _record(self, pk: int | None) -> MedicalRecord | None:
        return None if pk is None else self.of_clinic(MedicalRecord, pk)

    def _image(self, pk: int, *, thumbnail: bool) -> HttpResponseBase:
        photo = self.of_clinic(PatientPhoto, pk)
        self.note_shown(vars(photo))
        return photo_response(self.request, photo, thumbnail=thumbnail)
