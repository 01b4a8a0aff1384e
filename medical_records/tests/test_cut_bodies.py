"""Bodies that end before their Content-Length, or are too large, sent to real servers: nothing is stored, and nothing is
our mistake.
"""

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pytest

from clinic_project.reconciliation.tests.support.databases import PROJECT_FOLDER, Database
from clinic_project.reconciliation.tests.support.fixtures import copy_of, empty_database, unblocked

from .photos.image_files import from_a_phone
from .servers import environment, free_port, gunicorn, runserver

__all__ = ["copy_of", "empty_database", "unblocked"]

pytestmark = pytest.mark.slow

PHOTOS = "/api/clinic/patient-photos"
EMAIL, PASSWORD = "amara@clinic.example", "blue-bottle-77"
PICTURE = from_a_phone()
BEFORE = (
    b'--limit\r\nContent-Disposition: form-data; name="patient_id"\r\n\r\n1\r\n'
    b'--limit\r\nContent-Disposition: form-data; name="file"; filename="knee.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
)
AFTER = b'\r\n--limit\r\nContent-Disposition: form-data; name="medical_record_id"\r\n\r\n1\r\n--limit--\r\n'
FORM = BEFORE + PICTURE + AFTER

#: Where an upload is cut: how many bytes of it arrive.
CUTS = {
    "before-the-picture": len(BEFORE) - 40,
    "in-the-picture": len(BEFORE) + len(PICTURE) // 2,
    "right-after-the-picture": len(BEFORE) + len(PICTURE),
    "before-the-last-field": len(BEFORE) + len(PICTURE) + 9,
    "in-the-closing-boundary": len(FORM) - 4,
    "before-the-last-byte": len(FORM) - 1,
}


class Site(NamedTuple):
    port: int
    database: Database
    media: Path
    log: Path
    token: str

    def send(self, request: bytes, *, wait: bool = True) -> int | None:
        """Send a request, and no more; return the status of the response, None where nobody waits for it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(request)
            if not wait:
                return None
            connection.shutdown(socket.SHUT_WR)
            response = http.client.HTTPResponse(connection)
            response.begin()
            response.read()
            return response.status

    def head(self, path: str, *headers: str) -> bytes:
        authorization = f"Authorization: Bearer {self.token}"
        return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", authorization, *headers, "", ""]).encode()

    def stored(self) -> list[object]:
        files = [path.name for path in self.media.rglob("*") if path.is_file()]
        return [*files, *self.database.rows("SELECT id FROM patient_photos UNION ALL SELECT id FROM medical_records")]

    def has_logged_a_mistake(self) -> bool:
        """Whether it logged one, up to now: what it is asked now, it answers after all that it was sent before."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/livez")
        assert connection.getresponse().status == 200
        log = self.log.read_text()
        return "Traceback" in log or "Internal Server Error" in log


@pytest.fixture(params=[gunicorn, runserver], ids=["gunicorn", "runserver"])
def site(request, empty_database: Database, tmp_path: Path) -> Iterator[Site]:
    port, media, log = free_port(), tmp_path / "media", tmp_path / "log"
    settings = {**environment(empty_database.url, media), "CLINIC_PASSWORD": PASSWORD}
    create = ("create_clinic", "Harbour Street", "--email", EMAIL, "--full-name", "Amara Okafor", "--superuser")
    for command in (("migrate",), create):
        subprocess.run([sys.executable, "manage.py", *command], cwd=PROJECT_FOLDER, env=settings, check=True)
    empty_database.execute("INSERT INTO patients (clinic_id, full_name) SELECT id, 'Grace Hopper' FROM clinics")
    with request.param(settings, port, log):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        login = json.dumps({"email": EMAIL, "password": PASSWORD})
        connection.request("POST", "/api/auth/login", login, {"Content-Type": "application/json"})
        token = json.load(connection.getresponse())["token"]
        connection.close()
        yield Site(port, empty_database, media, log, token)


def test_an_upload_that_is_cut_short_stores_nothing(site):
    form = "Content-Type: multipart/form-data; boundary=limit"
    head = site.head(PHOTOS, form, f"Content-Length: {len(FORM)}")
    for name, length in CUTS.items():
        assert site.send(head + FORM[:length]) == 400, name
        site.send(head + FORM[:length], wait=False)
        assert not site.has_logged_a_mistake(), name
        assert site.stored() == [], name
    # Whole, it is stored.
    whole = BEFORE + PICTURE + b"\r\n--limit--\r\n"
    assert site.send(site.head(PHOTOS, form, f"Content-Length: {len(whole)}", "Connection: close") + whole) == 201
    assert len(site.stored()) == 3


def test_an_upload_in_chunks_is_refused_whole_or_not(site):
    """There is no Content-Length by which to tell whether all of it has come."""
    head = site.head(PHOTOS, "Content-Type: multipart/form-data; boundary=limit", "Transfer-Encoding: chunked")
    chunk = f"{len(FORM):x}\r\n".encode() + FORM
    for sent in (head, head + chunk[:-2000], head + chunk + b"\r\n", head + chunk + b"\r\n0\r\n\r\n"):
        assert site.send(sent) == 411
        site.send(sent, wait=False)
    assert not site.has_logged_a_mistake()
    assert site.stored() == []


def test_json_that_is_whole_in_a_body_that_isnt_changes_nothing_and_what_is_too_large_isnt_read(site):
    body = json.dumps({"name": "Check-up", "fields": []}).encode()
    head = site.head(
        "/api/clinic/medical-record-templates", "Content-Type: application/json", f"Content-Length: {len(body) + 1}"
    )
    assert site.send(head + body) == 400
    assert not site.has_logged_a_mistake()
    assert site.database.rows("SELECT count(*) FROM medical_record_templates") == [(0,)]
    refuses_what_is_too_large(site)


def refuses_what_is_too_large(site: Site) -> None:
    """Of a GiB, nothing comes: whoever reads it finds it cut short."""
    cookies = logged_in(site.port)
    length = f"Content-Length: {2**30}"
    assert site.send(site.head(PHOTOS, "Content-Type: multipart/form-data; boundary=limit", length)) == 413
    assert site.send(site.head("/api/auth/login", "Content-Type: application/json", length)) == 413
    for page in ("/admin/login/", "/admin/clinics/patient/1/photos/"):
        assert site.send(head_of_a_form(site, page, cookies, length)) == 413
    # Where more than a form has comes, and no more than is read, the browser gets the page.
    sent = head_of_a_form(site, "/admin/login/", cookies, f"Content-Length: {8 * 2**20}") + b"x" * 8 * 2**20
    assert site.send(sent) == 413
    # A form in chunks is an empty one, without a token.
    chunks = head_of_a_form(site, "/admin/logout/", {"csrftoken": cookies["csrftoken"]}, "Transfer-Encoding: chunked")
    assert site.send(chunks.replace(b"X-CSRFToken", b"X-None") + b"1\r\nx\r\n0\r\n\r\n") == 403
    assert not site.has_logged_a_mistake()


def test_an_upload_with_a_session_is_cut_short_as_well(site):
    """The check of the session's token reads the body first."""
    cookies = logged_in(site.port)
    head = head_of_a_form(site, PHOTOS, cookies, f"Content-Length: {len(FORM)}")
    for name, length in CUTS.items():
        assert site.send(head + FORM[:length]) == 400, name
    assert not site.has_logged_a_mistake()
    assert site.stored() == []


def head_of_a_form(site: Site, path: str, cookies: dict[str, str], *headers: str) -> bytes:
    return "\r\n".join(
        [
            f"POST {path} HTTP/1.1",
            f"Host: 127.0.0.1:{site.port}",
            "Cookie: " + "; ".join(f"{name}={value}" for name, value in cookies.items()),
            f"X-CSRFToken: {cookies['csrftoken']}",
            "Content-Type: multipart/form-data; boundary=limit",
            *headers,
            *["", ""],
        ]
    ).encode()


def logged_in(port: int) -> dict[str, str]:
    """Log in at the admin, and return the cookies."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    cookies: dict[str, str] = {}

    def ask(method: str, body: str = "") -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        connection.request(method, "/admin/login/", body, headers)
        response = connection.getresponse()
        response.read()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                cookies[key] = rest.split(";")[0]

    ask("GET")
    form = {"username": EMAIL, "password": PASSWORD, "csrfmiddlewaretoken": cookies["csrftoken"]}
    ask("POST", urlencode(form))
    connection.close()
    assert "sessionid" in cookies
    return cookies
