"""The endpoints of photos: uploading, looking, changing, the trash, and putting them on records."""

import io
import tempfile

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from rest_framework.test import APIClient

from clinic_project.api.tests.bodies import unread_gibibyte
from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from clinic_project.clinics.tests.clients import client_of
from medical_records.api.upload_handlers import MAX_BODY
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import PatientPhoto
from medical_records.photos.decoding import MAX_BYTES

from ..concurrency import in_parallel
from ..photos import image_files
from ..photos.uploads import files_in

URL = "/api/clinic/patient-photos"


@pytest.fixture
def patient(clinic):
    return PatientFactory(clinic=clinic)


@pytest.fixture
def record(patient):
    return MedicalRecordFactory(patient=patient)


def upload(api, patient, data=None, name="knee.jpg", content_type="image/jpeg", **fields):
    data = image_files.from_a_phone() if data is None else data
    headers = fields.pop("headers", None)
    body = {"patient_id": patient.pk, "file": SimpleUploadedFile(name, data, content_type), **fields}
    return api.post(URL, body, format="multipart", headers=headers)


def uploaded(api, patient, *args, **fields) -> dict:
    response = upload(api, patient, *args, **fields)
    assert response.status_code == 201, response.content
    return response.json()


def ids(response) -> list[int]:
    assert response.status_code == 200, response.content
    return sorted(row["id"] for row in response.json()["results"])


def content(response) -> bytes:
    assert response.status_code == 200
    return b"".join(response.streaming_content)


class TestUploading:
    def test_an_image_comes_into_the_gallery(self, api, patient, member):
        photo = uploaded(api, patient, description="before")
        assert photo["patient_id"] == patient.pk
        assert photo["medical_record_id"] is None
        assert (photo["filename"], photo["content_type"]) == ("knee.jpg", "image/jpeg")
        assert (photo["description"], photo["is_pending"], photo["is_deleted"]) == ("before", False, False)
        assert photo["uploaded_by_user_id"] == member.user_id
        assert ids(api.get(URL, {"patient": patient.pk})) == [photo["id"]]

    def test_the_answer_says_where_the_photo_is(self, api, patient):
        response = upload(api, patient)
        assert api.get(response["Location"]).json() == response.json()

    def test_an_image_for_a_record_is_pending(self, api, patient, record):
        photo = uploaded(api, patient, medical_record_id=record.pk)
        assert photo["is_pending"] is True
        assert photo["medical_record_id"] == record.pk

    def test_a_reader_may_look_but_not_upload(self, clinic, patient):
        reader = client_of(MembershipFactory(clinic=clinic, reader=True))
        assert upload(reader, patient).status_code == 403
        assert reader.get(URL, {"patient": patient.pk}).status_code == 200

    def test_a_session_may_upload_with_its_csrf_token_only(self, member, patient):
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(member.user)
        assert upload(client, patient).status_code == 403
        client.get("/admin/login/")
        token = client.cookies["csrftoken"].value
        assert upload(client, patient, headers={"X-CSRFToken": token}).status_code == 201
        assert upload(client, patient, csrfmiddlewaretoken=token).status_code == 201

    @pytest.mark.parametrize(
        ("fields", "path"),
        [
            ({"patient_id": ""}, "patient_id"),
            ({"patient_id": "1.5"}, "patient_id"),
            ({"patient_id": "\uff19"}, "patient_id"),
            ({"patient_id": "0"}, "patient_id"),
            ({"patient_id": "9" * 5000}, "patient_id"),
            ({"medical_record_id": "x"}, "medical_record_id"),
            ({"file": "not a file"}, "file"),
            ({"description": "a" * 2001}, "description"),
            ({"description": "a\0b"}, "description"),
        ],
    )
    def test_an_invalid_field_is_400_by_its_name_and_nothing_is_kept(self, api, patient, media, fields, path):
        body = {"patient_id": patient.pk, "file": SimpleUploadedFile("a.jpg", image_files.plain()), **fields}
        response = api.post(URL, body, format="multipart")
        assert response.status_code == 400
        assert list(response.json()["errors"]) == [path]
        assert not files_in(media)

    def test_a_missing_patient_or_file_is_400_by_its_name(self, api):
        response = api.post(URL, {}, format="multipart")
        assert response.status_code == 400
        assert set(response.json()["errors"]) == {"patient_id", "file"}

    @pytest.mark.parametrize("where", ["patient", "record"])
    def test_another_clinics_patient_or_record_isnt_found(self, api, patient, media, where):
        fields = {"medical_record_id": MedicalRecordFactory().pk} if where == "record" else {}
        assert upload(api, PatientFactory() if where == "patient" else patient, **fields).status_code == 404
        assert not PatientPhoto.objects.exists()
        assert not files_in(media)

    def test_a_deleted_patient_a_record_in_the_trash_or_of_another_patient_is_refused(
        self, api, clinic, patient, media
    ):
        gone = PatientFactory(clinic=clinic, in_trash=True)
        trashed = MedicalRecordFactory(patient=patient, in_trash=True)
        others = MedicalRecordFactory(patient=PatientFactory(clinic=clinic))
        assert list(upload(api, gone).json()["errors"]) == ["patient_id"]
        for record in (trashed, others):
            response = upload(api, patient, medical_record_id=record.pk)
            assert response.status_code == 409
            assert list(response.json()["errors"]) == ["medical_record_id"]
        assert not PatientPhoto.objects.exists()
        assert not files_in(media)

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("S3 is away")])
    def test_a_storage_that_is_full_or_broken_is_503_and_nothing_is_kept(self, api, patient, media, monkeypatch, error):
        def fail(*args):
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(default_storage, "save", fail)
            response = upload(api, patient, headers={"Idempotency-Key": "k"})
        assert (response.status_code, response.json()["title"]) == (503, "The storage fails")
        assert int(response["Retry-After"]) > 0
        assert not PatientPhoto.objects.exists()
        assert not files_in(media)
        # Sent again with its key, it is kept.
        assert upload(api, patient, headers={"Idempotency-Key": "k"}).status_code == 201


class TestHostileUploads:
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"<!doctype html><script>alert(1)</script>",
            b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
            b"\xff\xd8\xff\xe0<script>alert(1)</script>",
            image_files.plain()[:400],
            image_files.animated("WEBP"),
            image_files.animated("PNG"),
            image_files.png_claiming(100_000, 100_000),
            image_files.png_claiming(100_000, 1),
            image_files.jpeg_of_many_scans(200),
        ],
        ids=lambda data: f"{len(data)} bytes",
    )
    def test_what_isnt_a_good_image_is_400_and_leaves_nothing(self, api, patient, media, data):
        response = upload(api, patient, data)
        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"
        assert list(response.json()["errors"]) == ["file"]
        assert not PatientPhoto.objects.exists()
        assert not files_in(media)

    @pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "nonsense", ""])
    def test_what_the_sender_says_of_the_type_counts_for_nothing(self, api, patient, content_type):
        photo = uploaded(api, patient, image_files.plain("PNG"), name="page.html", content_type=content_type)
        assert photo["content_type"] == "image/jpeg"
        response = api.get(photo["file"])
        assert response["Content-Type"] == "image/jpeg"
        assert content(response).startswith(b"\xff\xd8")

    @pytest.mark.parametrize(
        "name",
        ["../../../etc/passwd", "a" * 300 + ".jpg", 'q"uo\\te.jpg', "\u202egpj.exe", "膝.jpg", "a\r\nX-Evil: 1.jpg"],
    )
    def test_odd_names_are_cleaned(self, api, patient, name):
        photo = uploaded(api, patient, name=name)
        assert 0 < len(photo["filename"]) <= 255
        assert "/" not in photo["filename"]
        assert photo["filename"].isprintable()
        response = api.get(photo["file"])
        assert "X-Evil" not in response
        assert response["Content-Disposition"].startswith("inline; filename")

    def test_a_phones_gps_isnt_served(self, api, patient):
        photo = uploaded(api, patient, image_files.from_a_phone())
        for url in (photo["file"], photo["thumbnail"]):
            jpeg = content(api.get(url))
            assert not Image.open(io.BytesIO(jpeg)).getexif()
            assert b"PhoneMaker" not in jpeg

    def test_a_file_of_more_than_10_mb_is_413(self, api, patient, media):
        response = upload(api, patient, image_files.plain() + b"\0" * MAX_BYTES)
        assert response.status_code == 413
        assert response["Content-Type"] == "application/problem+json"
        assert "10 MB" in response.json()["detail"]
        assert not files_in(media)

    def test_a_body_that_says_it_is_too_large_isnt_kept(self, api, member, patient):
        """Neither by a token's request nor by a session's, whose CSRF check reads the body first."""
        session = APIClient(enforce_csrf_checks=True)
        session.force_login(member.user)
        session.get("/admin/login/")  # sets the cookie without which the body isn't looked at
        for client in (api, session):
            assert upload(client, patient, b"\0" * (MAX_BODY + 1)).status_code == 413
            gibibyte = unread_gibibyte("multipart/form-data; boundary=x")
            assert client.post(URL, b"", **gibibyte).json()["type"] == "/problems/upload-too-large"

    def test_an_upload_without_a_content_length_is_411(self, api, patient):
        response = api.post(URL, headers={"Transfer-Encoding": "chunked"}, CONTENT_LENGTH="")
        assert response.status_code == 411

    def test_nothing_of_an_upload_is_ever_written_to_a_temporary_file(self, api, patient, monkeypatch):
        monkeypatch.setattr(tempfile, "NamedTemporaryFile", lambda *_args, **_options: pytest.fail("written to disk"))
        uploaded(api, patient, image_files.plain() + b"\0" * 5_000_000)

    @pytest.mark.parametrize(
        ("content_type", "body", "status"),
        [
            ("multipart/form-data", b"", 400),
            ("multipart/form-data; boundary=x", b"no boundary here", 400),
            (
                "multipart/form-data; boundary=x",
                b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n',
                400,
            ),
            ("multipart/form-data; boundary=" + "x" * 300, b"", 400),
            ("multipart/form-data; boundary=x; charset=nonsense", b"--x--", 400),
            (
                "multipart/form-data; boundary=x",
                b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 1100,
                400,
            ),
            (
                "multipart/form-data; boundary=x",
                b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"1" * 3_000_000,
                400,
            ),
            ("application/json", b"{}", 415),
            ("image/jpeg", b"\xff\xd8", 415),
            ("", b"abc", 415),
        ],
        ids=[str(number) for number in range(10)],
    )
    def test_a_body_that_isnt_valid_multipart_is_400_and_another_type_415(
        self, api, member, content_type, body, status
    ):
        session = APIClient()
        session.force_login(member.user)
        for client in (api, session):
            response = client.generic("POST", URL, body, content_type=content_type)
            assert response.status_code == status
            assert response["Content-Type"] == "application/problem+json"


class TestListing:
    def test_a_patient_has_to_be_named(self, api, clinic):
        for name in ("patient_id", "patient"):
            for query in ({name: ""}, {name: "x"}, {name: "9" * 30}):
                response = api.get(URL, query)
                assert response.status_code == 400
                assert list(response.json()["errors"]) == [name]
        assert list(api.get(URL).json()["errors"]) == ["patient_id"]

    def test_another_clinics_patient_has_no_photos(self, api):
        other = PatientPhotoFactory()
        assert ids(api.get(URL, {"patient": other.patient_id})) == []

    def test_photos_are_filtered_by_record_status_and_being_unlinked(self, api, patient, record):
        gallery = PatientPhotoFactory(patient=patient)
        linked = PatientPhotoFactory(patient=patient, medical_record=record)
        pending = PatientPhotoFactory(patient=patient, medical_record=record, pending=True)
        trashed = PatientPhotoFactory(patient=patient, in_trash=True)
        PatientPhotoFactory(patient=PatientFactory(clinic=patient.clinic))

        def found(**query):
            return ids(api.get(URL, {"patient": patient.pk, **query}))

        assert found() == [gallery.pk, linked.pk]
        assert found(unlinked="true") == [gallery.pk]
        assert found(unlinked="false") == [linked.pk]
        assert found(record=record.pk) == [linked.pk, pending.pk]
        assert found(record=record.pk + 1) == []
        assert found(status="deleted") == [trashed.pk]
        assert found(status="all") == [gallery.pk, linked.pk, trashed.pk]

    @pytest.mark.parametrize("query", [{"unlinked": "maybe"}, {"status": "x"}, {"record": "x"}, {"page": "0"}])
    def test_an_invalid_filter_is_400_by_its_name(self, api, patient, query):
        response = api.get(URL, {"patient": patient.pk, **query})
        assert response.status_code == 400
        assert list(response.json()["errors"]) == list(query)

    @pytest.mark.parametrize(("rows", "queries"), [(0, 2), (1, 3), (100, 3)])
    def test_three_queries_however_many_rows(self, api, patient, rows, queries, django_assert_num_queries):
        PatientPhotoFactory.create_batch(rows, patient=patient)
        # The token with the memberships, the rows with their number; and who looked, if there was something to see.
        with django_assert_num_queries(queries):
            assert len(ids(api.get(URL, {"patient": patient.pk, "page_size": 100}))) == rows


class TestServing:
    def test_the_file_is_2048_pixels_at_most_and_the_thumbnail_300(self, api, patient):
        photo = uploaded(api, patient, image_files.plain(size=(3000, 1500)), name="left knee.png")
        assert Image.open(io.BytesIO(content(api.get(photo["file"])))).size == (2048, 1024)
        assert Image.open(io.BytesIO(content(api.get(photo["thumbnail"])))).size == (300, 150)

    def test_headers_let_a_browser_show_an_image_and_nothing_else(self, api, patient):
        photo = uploaded(api, patient, name="left knee.png")
        response = api.get(photo["file"])
        assert response["Content-Type"] == "image/jpeg"
        assert response["Content-Disposition"] == 'inline; filename="left knee.jpg"'
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert response["Cache-Control"] == "private, no-cache"
        assert {"Authorization", "Cookie", "X-Clinic-ID"} <= {name.strip() for name in response["Vary"].split(",")}
        assert int(response["Content-Length"]) == photo["size_bytes"] == len(content(response))

    def test_a_browser_that_has_it_already_is_told_so(self, api, patient):
        photo = uploaded(api, patient)
        for url in (photo["file"], photo["thumbnail"]):
            etag = api.get(url)["ETag"]
            again = api.get(url, headers={"If-None-Match": etag})
            assert again.status_code == 304
            assert again["ETag"] == etag
            assert again["Cache-Control"] == "private, no-cache"
            assert not again.content
        assert api.get(photo["thumbnail"])["ETag"] != api.get(photo["file"])["ETag"]

    def test_a_file_that_isnt_the_one_the_request_names_is_412_that_says_so(self, api, patient):
        photo = uploaded(api, patient)
        for url in (photo["file"], photo["thumbnail"]):
            response = api.get(url, headers={"If-Match": '"another"'})
            assert (response.status_code, response["Content-Type"]) == (412, "application/problem+json")
            assert api.get(url, headers={"If-Match": api.get(url)["ETag"]}).status_code == 200

    def test_whether_the_browser_has_it_is_asked_after_whether_it_may(self, api, patient):
        photo = uploaded(api, patient)
        etag = api.get(photo["file"])["ETag"]
        outsider = client_of(MembershipFactory())
        assert outsider.get(photo["file"], headers={"If-None-Match": etag}).status_code == 404
        assert APIClient().get(photo["file"], headers={"If-None-Match": etag}).status_code == 401

    def test_head_has_the_files_length(self, api, patient):
        photo = uploaded(api, patient)
        response = api.head(photo["file"])
        assert response.status_code == 200
        assert int(response["Content-Length"]) == photo["size_bytes"]

    def test_a_photo_in_the_trash_can_be_looked_at_there(self, api, patient):
        photo = uploaded(api, patient)
        assert api.delete(f"{URL}/{photo['id']}").status_code == 204
        assert content(api.get(photo["thumbnail"]))

    @pytest.mark.parametrize("key", ["lost.jpg", "../../etc/passwd", "/etc/passwd", "."])
    def test_a_missing_file_is_404_that_says_so_and_logged_once(self, api, patient, key, caplog):
        photo = PatientPhotoFactory(patient=patient, storage_key=key, thumbnail_key=None)
        response = api.get(f"{URL}/{photo.pk}/file")
        assert response.status_code == 404
        assert response.json()["type"] == "/problems/file-missing"
        assert [line for line in caplog.messages if "no file" in line] == [
            f"Photo {photo.pk} has no file in the storage."
        ]

    @pytest.mark.parametrize("key", ["x" * 300 + ".jpg", "file.jpg/inside.jpg"])
    def test_a_name_that_no_file_can_have_is_404_too(self, api, patient, key):
        default_storage.save("file.jpg", SimpleUploadedFile("a", b"x"))
        photo = PatientPhotoFactory(patient=patient, storage_key=key, thumbnail_key=None)
        assert api.get(f"{URL}/{photo.pk}/file").json()["type"] == "/problems/file-missing"

    @pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "I/O"), RuntimeError("S3")])
    def test_a_storage_that_cant_be_read_is_503_that_says_so(self, api, patient, monkeypatch, error):
        photo = uploaded(api, patient)

        def fail(*args):
            raise error

        monkeypatch.setattr(default_storage, "open", fail)
        response = api.get(photo["file"])
        assert (response.status_code, response.json()["title"]) == (503, "The storage fails")
        assert int(response["Retry-After"]) > 0

    def test_what_another_system_kept_under_an_images_name_is_never_shown_as_a_page(self, api, patient):
        key = default_storage.save("old.html", SimpleUploadedFile("a", b"<script>alert(1)</script>"))
        page = PatientPhotoFactory(patient=patient, storage_key=key, thumbnail_key=None, content_type="text/html")
        response = api.get(f"{URL}/{page.pk}/file")
        assert response["Content-Type"] == "application/octet-stream"
        assert response["Content-Disposition"].startswith("attachment")
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response["Content-Security-Policy"]

    def test_without_a_thumbnail_the_whole_image_is_shown(self, api, patient):
        key = default_storage.save("old.jpg", SimpleUploadedFile("a", image_files.plain()))
        photo = PatientPhotoFactory(patient=patient, storage_key=key, thumbnail_key=None)
        assert content(api.get(f"{URL}/{photo.pk}/thumbnail")) == image_files.plain()

    @pytest.mark.parametrize("path", ["", "/file", "/thumbnail"])
    def test_a_photo_its_file_and_its_thumbnail_take_three_queries_each(
        self, api, patient, path, django_assert_num_queries
    ):
        photo = uploaded(api, patient)
        with django_assert_num_queries(3):  # the token with the memberships, the photo, who looked
            assert api.get(f"{URL}/{photo['id']}{path}").status_code == 200


class TestChanging:
    def test_the_description_is_changed_and_cleared(self, api, patient, member):
        photo = uploaded(api, patient)
        response = api.patch(f"{URL}/{photo['id']}", {"description": "after"})
        assert response.status_code == 200
        assert response.json()["description"] == "after"
        assert response.json()["updated_by_user_id"] == member.user_id
        assert response.json()["updated_at"] is not None
        assert api.patch(f"{URL}/{photo['id']}", {"description": None}).json()["description"] is None

    @pytest.mark.parametrize("body", [{"description": 5}, {"description": "a" * 2001}, {"description": []}, [], "x"])
    def test_an_invalid_description_is_400(self, api, patient, body):
        photo = PatientPhotoFactory(patient=patient)
        assert api.patch(f"{URL}/{photo.pk}", body).status_code == 400

    def test_nothing_else_can_be_changed(self, api, patient):
        photo = PatientPhotoFactory(patient=patient)
        before = PatientPhoto.objects.values().get(pk=photo.pk)
        refused = api.patch(f"{URL}/{photo.pk}", {"description": "x", "storage_key": 1, "clinic_id": 1})
        assert (refused.status_code, set(refused.json()["errors"])) == (400, {"storage_key", "clinic_id"})
        # What was read may be sent back.
        body = dict.fromkeys(("patient_id", "medical_record_id", "is_pending"), 1)
        assert api.patch(f"{URL}/{photo.pk}", body).status_code == 200
        after = PatientPhoto.objects.values().get(pk=photo.pk)
        assert {name for name in before if before[name] != after[name]} == {"updated_at", "updated_by_user_id"}

    def test_a_photo_in_the_trash_cant_be_changed(self, api, patient):
        photo = PatientPhotoFactory(patient=patient, in_trash=True)
        assert api.patch(f"{URL}/{photo.pk}", {"description": "x"}).status_code == 409
        assert api.delete(f"{URL}/{photo.pk}").status_code == 409

    def test_a_photo_goes_to_the_trash_and_comes_back_to_its_record(self, api, patient, record):
        photo = PatientPhotoFactory(patient=patient, medical_record=record)
        assert api.delete(f"{URL}/{photo.pk}").status_code == 204
        assert api.get(f"{URL}/{photo.pk}").json()["is_deleted"] is True
        response = api.post(f"{URL}/{photo.pk}/restore")
        assert response.status_code == 200
        assert response.json()["is_deleted"] is False
        assert response.json()["deleted_at"] is None
        assert response.json()["medical_record_id"] == record.pk
        assert api.post(f"{URL}/{photo.pk}/restore").status_code == 409

    def test_a_photo_that_goes_from_its_record_or_comes_back_raises_its_version(self, api, patient, record):
        photo = PatientPhotoFactory(patient=patient, medical_record=record)
        pending = PatientPhotoFactory(patient=patient, medical_record=record, pending=True)
        gallery = PatientPhotoFactory(patient=patient)
        versions = []
        for url in (f"{URL}/{photo.pk}", f"{URL}/{pending.pk}", f"{URL}/{gallery.pk}"):
            for send, path in ((api.delete, url), (api.post, f"{url}/restore")):
                assert send(path).status_code in {200, 204}
                versions.append(api.get(f"/api/clinic/medical-records/{record.pk}").json()["version"])
        assert versions == [2, 3, 3, 3, 3, 3]

    def test_a_photo_of_a_record_in_the_trash_comes_back_with_it_only(self, api, patient):
        record = MedicalRecordFactory(patient=patient, in_trash=True)
        photo = PatientPhotoFactory(patient=patient, medical_record=record, in_trash=True)
        response = api.post(f"{URL}/{photo.pk}/restore")
        assert response.status_code == 409
        assert "Restore the record" in response.json()["detail"]

    @pytest.mark.django_db(transaction=True)
    def test_of_twenty_who_delete_it_at_once_one_does(self, api, patient):
        photo = PatientPhotoFactory(patient=patient)
        responses = in_parallel(lambda _number: api.delete(f"{URL}/{photo.pk}").status_code, 20)
        assert sorted(responses) == [204] + [409] * 19


class TestAttaching:
    def attach(self, api, record, *photos):
        body = {"record_id": record.pk, "photo_ids": [photo.pk for photo in photos], "version": record.version}
        return api.post(f"{URL}/attach", body)

    def test_photos_come_onto_the_record_beside_those_it_has(self, api, patient, record):
        there = PatientPhotoFactory(patient=patient, medical_record=record)
        pending = PatientPhotoFactory(patient=patient, medical_record=record, pending=True)
        gallery = PatientPhotoFactory(patient=patient)
        response = self.attach(api, record, pending, gallery)
        assert response.status_code == 200
        photos = response.json()["photos"]
        assert [photo["id"] for photo in photos] == [there.pk, pending.pk, gallery.pk]
        assert not any(photo["is_pending"] for photo in photos)
        assert (response.json()["version"], response["ETag"]) == (2, '"2"')

    @pytest.mark.parametrize(
        ("named", "status"), [({}, 428), ({"version": 9}, 409), ({"headers": {"If-Match": '"9"'}}, 412)]
    )
    def test_a_version_that_isnt_the_records_attaches_nothing(self, api, patient, record, named, status):
        photo = PatientPhotoFactory(patient=patient)
        body = {"record_id": record.pk, "photo_ids": [photo.pk], **{k: v for k, v in named.items() if k != "headers"}}
        response = api.post(f"{URL}/attach", body, headers=named.get("headers"))
        assert response.status_code == status
        if status != 428:
            assert response["ETag"] == '"1"'
            assert response.json()["current"]["id"] == record.pk
        photo.refresh_from_db()
        assert photo.medical_record_id is None

    def test_what_was_attached_isnt_undone_by_who_hasnt_seen_it(self, api, patient, record):
        photo = PatientPhotoFactory(patient=patient)
        assert self.attach(api, record, photo).status_code == 200
        stale = api.patch(f"/api/clinic/medical-records/{record.pk}", {"photo_ids": []}, headers={"If-Match": '"1"'})
        assert stale.status_code == 412
        assert [shown["id"] for shown in stale.json()["current"]["photos"]] == [photo.pk]

    def test_where_one_photo_cant_be_attached_none_is(self, api, patient, record, clinic):
        good = PatientPhotoFactory(patient=patient)
        others = MedicalRecordFactory(patient=patient)
        bad = [
            PatientPhotoFactory(),
            PatientPhotoFactory(patient=PatientFactory(clinic=clinic)),
            PatientPhotoFactory(patient=patient, in_trash=True),
            PatientPhotoFactory(patient=patient, medical_record=others),
        ]
        responses = [self.attach(api, record, good, photo) for photo in bad]
        assert [response.status_code for response in responses] == [404, 409, 409, 409]
        for photo in (good, *bad):
            before = photo.medical_record_id
            photo.refresh_from_db()
            assert photo.medical_record_id == before

    def test_a_record_in_the_trash_or_of_another_clinic_takes_none(self, api, patient):
        photo = PatientPhotoFactory(patient=patient)
        assert self.attach(api, MedicalRecordFactory(patient=patient, in_trash=True), photo).status_code == 409
        assert self.attach(api, MedicalRecordFactory(), photo).status_code == 404

    @pytest.mark.parametrize(
        "body",
        [
            [],
            {"record_id": 1},
            {"record_id": 1, "photo_ids": []},
            {"record_id": 1, "photo_ids": 1},
            {"record_id": 1, "photo_ids": ["1"]},
            {"record_id": 1, "photo_ids": [True]},
            {"record_id": 1, "photo_ids": [2**40]},
            {"record_id": 1, "photo_ids": list(range(1, 300))},
            {"record_id": "1", "photo_ids": [1]},
        ],
        ids=repr,
    )
    def test_an_invalid_body_is_400(self, api, clinic, body):
        assert api.post(f"{URL}/attach", body, headers={"If-Match": '"1"'}).status_code == 400

    @pytest.mark.django_db(transaction=True)
    def test_of_ten_records_that_want_a_photo_at_once_one_gets_it(self, api, patient):
        photo = PatientPhotoFactory(patient=patient)
        records = MedicalRecordFactory.create_batch(10, patient=patient)
        responses = in_parallel(lambda number: self.attach(api, records[number], photo).status_code, 10)
        assert sorted(responses) == [200] + [409] * 9
        photo.refresh_from_db()
        assert photo.medical_record_id == records[responses.index(200)].pk

    @pytest.mark.django_db(transaction=True)
    def test_attaching_and_saving_at_once_gives_the_photo_to_one(self, api, patient):
        photo = PatientPhotoFactory(patient=patient)
        records = MedicalRecordFactory.create_batch(2, patient=patient)

        def take(number):
            if number == 0:
                return self.attach(api, records[0], photo).status_code
            body = {"values": {}, "photo_ids": [photo.pk], "version": 1}
            return api.patch(f"/api/clinic/medical-records/{records[1].pk}", body).status_code

        responses = in_parallel(take, 2)
        assert sorted(responses) == [200, 409]
        photo.refresh_from_db()
        assert photo.medical_record_id == records[responses.index(200)].pk


class TestIsolation:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("get", ""),
            ("patch", ""),
            ("delete", ""),
            ("post", "/restore"),
            ("get", "/file"),
            ("get", "/thumbnail"),
        ],
    )
    def test_another_clinics_photo_is_404_and_stays_as_it_is(self, api, media, method, path):
        outsider = MembershipFactory()
        theirs = uploaded(client_of(outsider), PatientFactory(clinic=outsider.clinic))
        before = PatientPhoto.objects.values().get(pk=theirs["id"])
        response = getattr(api, method)(f"{URL}/{theirs['id']}{path}", {} if method in {"patch", "post"} else None)
        unknown = getattr(api, method)(f"{URL}/2147483647{path}", {} if method in {"patch", "post"} else None)
        assert response.status_code == unknown.status_code == 404
        assert {**response.json(), "instance": ""} == {**unknown.json(), "instance": ""}
        assert PatientPhoto.objects.values().get(pk=theirs["id"]) == before

    def test_equal_images_of_two_clinics_are_two_files(self, api, patient, media):
        theirs = MembershipFactory()
        uploaded(api, patient)
        uploaded(client_of(theirs), PatientFactory(clinic=theirs.clinic))
        assert len(files_in(media)) == 4

    def test_without_credentials_everything_is_401(self, db):
        for path in ("", "/1", "/x", "/1/file", "/1/thumbnail"):
            assert APIClient().get(f"{URL}{path}").status_code == 401
        for path in ("", "/1/restore", "/attach"):
            assert APIClient().post(f"{URL}{path}", b"nonsense", content_type="text/plain").status_code == 401


class TestSentTwice:
    def test_the_same_key_again_gets_the_first_answer(self, api, patient, media):
        first = upload(api, patient, headers={"Idempotency-Key": "k1"})
        second = upload(api, patient, headers={"Idempotency-Key": "k1"})
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        assert PatientPhoto.objects.count() == 1

    def test_the_same_key_for_another_image_is_409(self, api, patient):
        upload(api, patient, headers={"Idempotency-Key": "k1"})
        other = upload(api, patient, image_files.plain(), headers={"Idempotency-Key": "k1"})
        assert other.status_code == 409

    def test_a_failed_upload_may_be_repeated_with_its_key(self, api, patient, media):
        assert upload(api, patient, b"broken", headers={"Idempotency-Key": "k1"}).status_code == 400
        assert upload(api, patient, b"broken", headers={"Idempotency-Key": "k1"}).status_code == 400
        assert upload(api, patient, headers={"Idempotency-Key": "k1"}).status_code == 201

    @pytest.mark.django_db(transaction=True)
    def test_the_same_upload_ten_times_at_once_makes_one_photo(self, api, patient, media):
        responses = in_parallel(lambda _number: upload(api, patient, headers={"Idempotency-Key": "k1"}), 10)
        assert {response.status_code for response in responses} == {201}
        assert len({response.json()["id"] for response in responses}) == 1
        assert PatientPhoto.objects.count() == 1
        assert len(files_in(media)) == 2


@pytest.mark.django_db(transaction=True)
def test_uploads_for_a_record_that_is_deleted_meanwhile_go_with_it_or_are_refused(api, patient, media):
    """No photo is left in use on a record in the trash."""
    record = MedicalRecordFactory(patient=patient)

    def work(number):
        if number == 0:
            url = f"/api/clinic/medical-records/{record.pk}"
            return api.delete(url, headers={"If-Match": '"1"'}).status_code
        return upload(api, patient, medical_record_id=record.pk).status_code

    deleted, *others = in_parallel(work, 6)
    assert deleted == 204
    assert set(others) <= {201, 409}
    assert not PatientPhoto.objects.filter(medical_record=record, is_deleted=False).exists()
    if 201 not in others:
        assert not files_in(media)
