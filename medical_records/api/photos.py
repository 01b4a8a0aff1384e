"""Endpoints of the patients' photos: `/clinic/patient-photos`."""

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiRequest, OpenApiResponse
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.clinics.api.access import CLINIC_HEADER
from clinic_project.clinics.api.documentation import CREATING, READING, endpoint, page_of, row_id
from clinic_project.clinics.api.idempotency import idempotent
from clinic_project.clinics.api.problems import InvalidInput, Problem
from clinic_project.clinics.models import Patient
from medical_records import services
from medical_records.models import MedicalRecord, PatientPhoto
from medical_records.photos.decoding import ImageError, TooManyBytes
from medical_records.photos.processing import CONTENT_TYPE, process_image
from medical_records.photos.responses import FileIsMissingError, photo_response
from medical_records.photos.uploads import add_photo, check_usable
from medical_records.querysets import PhotoQuerySet

from . import representations
from .filters import PhotoFilters, filtered
from .photo_uploads import PhotoUpload, PictureUploadHandler, too_large
from .serializers import PhotoAttachment, PhotoChange, PhotoOutput, PhotoQuery, RecordPhotosOutput
from .views import RecordsView

_ID = row_id("id")
_UPLOAD = OpenApiRequest(PhotoUpload, encoding={"file": {"contentType": "image/jpeg, image/png, image/webp"}})
_PICTURE = {
    (200, CONTENT_TYPE): OpenApiResponse(OpenApiTypes.BINARY, description="The picture."),
    304: OpenApiResponse(description="`If-None-Match` names the picture that is there."),
}


class PhotoView(RecordsView):
    @property
    def photos(self) -> PhotoQuerySet:
        return PatientPhoto.objects.for_clinic(self.clinic)

    def shown(self, pk: int) -> Response:
        """Answer with what is known of a photo. Raises DoesNotExist."""
        return Response(representations.photo(self.clinic, pk))


class PhotoList(PhotoView):
    parser_classes = [MultiPartParser]

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        # Before anything reads the body, as the check of a session's CSRF token does.
        request.upload_handlers = [PictureUploadHandler(request)]
        return super().initialize_request(request, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, TooManyBytes):
            exc = too_large()
        elif isinstance(exc, ImageError):
            exc = InvalidInput({"file": [str(exc)]})
        return super().handle_exception(exc)

    @endpoint(page_of(PhotoOutput), parameters=[PhotoQuery], paged=True)
    def get(self, request: Request) -> Response:
        """List a patient's photos, the newest first."""
        photos = filtered(request, self.photos, PhotoFilters)
        return Response(representations.photo_page(request, photos.order_by("-created_at", "-id")))

    @endpoint(PhotoOutput, status=201, takes={"multipart/form-data": _UPLOAD}, problems=CREATING, once=True)
    @idempotent
    def post(self, request: Request) -> Response:
        """Upload a picture to a patient's gallery, or for a record."""
        given = self.valid(PhotoUpload)
        patient = Patient.objects.for_clinic(self.clinic).get(pk=given["patient_id"])
        record = self._record(given.get("medical_record_id"))
        check_usable(patient, record)
        photo = add_photo(
            process_image(given["file"].read()),
            patient,
            filename=given["file"].name,
            description=given.get("description"),
            record=record,
            uploaded_by=self.access.user,
        )
        row = representations.photo(self.clinic, photo.pk)
        return Response(row, status=201, headers={"Location": reverse("medical_records:photo", args=[photo.pk])})

    def _record(self, pk: int | None) -> MedicalRecord | None:
        return None if pk is None else MedicalRecord.objects.for_clinic(self.clinic).get(pk=pk)


class PhotoDetail(PhotoView):
    @endpoint(PhotoOutput, parameters=[_ID])
    def get(self, request: Request, pk: int) -> Response:
        """Show what is known of a photo, in the trash or not."""
        return self.shown(pk)

    @endpoint(PhotoOutput, takes=PhotoChange, problems=CREATING, parameters=[_ID])
    def patch(self, request: Request, pk: int) -> Response:
        """Change the description of a photo."""
        self.photos.change(pk, self.access.user, **self.valid(PhotoChange))
        return self.shown(pk)

    @endpoint(None, status=204, problems=(*READING, 409), parameters=[_ID])
    def delete(self, request: Request, pk: int) -> Response:
        """Put a photo into the trash."""
        self.photos.move_to_trash(pk, self.access.user)
        return Response(status=204)


class PhotoRestore(PhotoView):
    @endpoint(PhotoOutput, problems=(*READING, 409), parameters=[_ID])
    def post(self, request: Request, pk: int) -> Response:
        """Take a photo out of the trash, unless its record is there too."""
        services.restore_photo(self.photos, pk, self.access.user)
        return self.shown(pk)


class PhotoFileView(PhotoView):
    thumbnail: ClassVar[bool] = False

    @endpoint(None, answers=_PICTURE, parameters=[_ID])
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        """Send the picture."""
        photo = self.photos.get(pk=pk)
        try:
            response = photo_response(request, photo, thumbnail=self.thumbnail)
        except FileIsMissingError as error:
            detail = "The photo is known, but its file is missing from the storage. Tell whoever runs the server."
            raise Problem(404, "file-missing", "The file is missing", detail) from error
        patch_vary_headers(response, ["Authorization", "Cookie", CLINIC_HEADER])
        return response


class PhotoThumbnailView(PhotoFileView):
    thumbnail = True


class PhotoAttach(PhotoView):
    @endpoint(RecordPhotosOutput, takes=PhotoAttachment, problems=CREATING)
    def post(self, request: Request) -> Response:
        """Put photos on a record beside those that it has, as saving it with them would; none is pending then."""
        given = self.valid(PhotoAttachment)
        record_id = given["record_id"]
        records = MedicalRecord.objects.for_clinic(self.clinic)
        services.attach_photos(records, record_id, given["photo_ids"], self.access.user)
        photos = self.photos.active().filter(medical_record_id=record_id)
        return Response({"record_id": record_id, "photos": representations.photo_rows(photos)})
