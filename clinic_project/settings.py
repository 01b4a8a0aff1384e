"""Settings, read from the environment: see "The environment" in the README.

Without DATABASE_URL this is development, with an embedded PostgreSQL; with it, production.
"""

import warnings
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from django.core.exceptions import ImproperlyConfigured

from .database import database_config, development_secret_key, replica_config

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()

DATABASE_URL = env.str("DATABASE_URL", default="")
PRODUCTION = bool(DATABASE_URL)
DEBUG = env.bool("DEBUG", default=not PRODUCTION)


def _secret_key() -> str:
    key = env.str("SECRET_KEY", default="")
    if key:
        return key
    if PRODUCTION:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set, and DATABASE_URL is: this is production. Set SECRET_KEY to a long random string, "
            "the same for every process: python -c 'import secrets; print(secrets.token_urlsafe(64))'"
        )
    return development_secret_key()


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])

#: How many proxies stand in front and add to X-Forwarded-For; they end TLS, and say so in X-Forwarded-Proto. With none,
#: such headers are a client's own invention.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)

INSTALLED_APPS = [
    # Before Django's own: its `migrate` extends theirs.
    "clinic_project.reconciliation",
    "clinic_project.audit",
    "clinic_project.clinics",
    "clinic_project.api",
    "medical_records",
    "clinic_project.clinics.administration.apps.ClinicAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "corsheaders",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
]

MIDDLEWARE = [
    "clinic_project.api.request_ids.RequestIdMiddleware",
    "clinic_project.clinics.change_context.ChangeContextMiddleware",
    "clinic_project.logs.RequestLogMiddleware",
    "clinic_project.audit.accesses.AccessLogMiddleware",
    "clinic_project.api.replica.LastWriteMiddleware",
    "clinic_project.api.errors.ProblemMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "clinic_project.security_policy.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # After the static files, which are the same in every language.
    "clinic_project.languages.LanguageMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "clinic_project.sessions.SessionMiddleware",
    "clinic_project.refused_requests.BodyLimitMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "clinic_project.urls"
WSGI_APPLICATION = "clinic_project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def _years(name: str, default: int) -> int:
    years = env.int(name, default=default)
    if not 0 <= years <= 100:
        raise ImproperlyConfigured(f"{name} is {years}: expected a number of years from 0 to 100.")
    return years


#: How long what is a patient's is kept after its last change, and after a minor has come of age. `migrate` tells the
#: database, which decides it.
RETENTION_YEARS = _years("RETENTION_YEARS", 7)
AGE_OF_MAJORITY = _years("AGE_OF_MAJORITY", 18)

DATABASES = {"default": database_config(DATABASE_URL)}
REPLICA_URL = env.str("REPLICA_URL", default="")
if REPLICA_URL:
    DATABASES["replica"] = replica_config(REPLICA_URL) | {"TEST": {"MIRROR": "default"}}
    DATABASE_ROUTERS = ["clinic_project.api.replica.ReplicaRouter"]
if PRODUCTION:
    for database in DATABASES.values():
        # Seconds. Opening a connection costs more than most requests' queries.
        database |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
# The tables of every installed app are kept as declared, Django's own too.
RECONCILIATION = {"apps": "*"}
# Every key of the deployed tables is a 4-byte integer.
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"

AUTH_USER_MODEL = "clinics.User"
AUTHENTICATION_BACKENDS = ["clinic_project.clinics.backends.Backend"]
#: Whether all staff have to set up the two-step login before they can do anything else.
TOTP_REQUIRED = env.bool("TOTP_REQUIRED", default=False)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGES = [("en", "English"), ("zh-hant", "Traditional Chinese")]
LOCALE_PATHS = [BASE_DIR / "clinic_project/locale"]
# Of what isn't asked for by a browser: commands, and the logs.
LANGUAGE_CODE = "en"
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"


def _time_zone() -> str:
    name = env.str("TIME_ZONE", default="UTC")
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ImproperlyConfigured(
            f"TIME_ZONE is {name!r}, which isn't in the time zone database of this machine: expected a name such as "
            "Asia/Taipei or UTC. The database is the package tzdata, Debian's or pip's."
        ) from None
    return name


#: In which pages and paper say times, and days begin. The API's times are UTC, and PostgreSQL's.
TIME_ZONE = _time_zone()
USE_TZ = True
FORMAT_MODULE_PATH = "clinic_project.formats"

STATIC_URL = "/static/"
# Files are served from where the apps keep them; `collectstatic` is a choice, which compresses them.
STATIC_ROOT = BASE_DIR / ".static"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
warnings.filterwarnings("ignore", "No directory at: .*/.static/")

# Only the API and the admin send photos, to those who may see them: there is no MEDIA_URL, and the files are their
# owner's alone.
MEDIA_ROOT = env.str("MEDIA_ROOT", default=str(BASE_DIR / ".media"))
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
    },
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

# Bytes of the text of a form, files apart. How much is taken at all: refused_requests.BodyLimitMiddleware, and `max_body`.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
# The question editor sends twelve inputs of each question, of which a template may have 200, and some more be typed.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000

# Security: what `check --deploy` asks for, and a policy under which no page of ours needs an inline script or style.
CSRF_FAILURE_VIEW = "clinic_project.refused_requests.csrf_failure"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SESSION_ENGINE = "clinic_project.sessions"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = PRODUCTION and not DEBUG
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_REDIRECT_EXEMPT = ["^livez$", "^readyz$"]
if TRUSTED_PROXIES:
    SECURE_SSL_REDIRECT = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
else:
    # gunicorn by itself speaks no TLS, so that there is nothing to redirect to.
    SILENCED_SYSTEM_CHECKS = ["security.W008"]
CONTENT_SECURITY_POLICY = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
    "base-uri": ["'none'"],
}

CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = "^/api/"
CORS_ALLOW_HEADERS = [
    *("accept", "authorization", "content-type", "x-csrftoken"),
    *("idempotency-key", "if-match", "if-none-match", "x-clinic-id", "x-request-id"),
]
CORS_EXPOSE_HEADERS = ["ETag", "Idempotent-Replayed", "Location", "Retry-After", "X-Request-ID"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "clinic_project.logs.JSONFormatter"},
        "plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{", "datefmt": "%H:%M:%S"},
        # In colours on a terminal, by the status.
        "runserver": {
            "()": "django.utils.log.ServerFormatter",
            "format": "{asctime} {message}",
            "style": "{",
            "datefmt": "%H:%M:%S",
        },
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "plain" if DEBUG else "json"},
        "runserver": {"class": "logging.StreamHandler", "formatter": "runserver"},
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        # Every refused request would be there a second time, with the ids in its path.
        "django.request": {"level": "ERROR"},
        # In development, runserver's line for each request, which has the path and the query, stands for our own.
        "clinic_project.requests": {"level": "WARNING" if DEBUG else "INFO"},
        **({"django.server": {"handlers": ["runserver"], "level": "INFO", "propagate": False}} if DEBUG else {}),
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "clinic_project.clinics.api.authentication.MemberAuthentication",
        "clinic_project.clinics.api.authentication.MemberSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["clinic_project.api.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["clinic_project.api.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "clinic_project.api.negotiation.IgnoreClientContentNegotiation",
    "EXCEPTION_HANDLER": "clinic_project.api.errors.problem_response",
    "DEFAULT_SCHEMA_CLASS": "clinic_project.api.openapi.ApiSchema",
    "NUM_PROXIES": TRUSTED_PROXIES,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "TEST_REQUEST_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.MultiPartRenderer",
    ],
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Clinic records",
    "VERSION": "1",
    "DESCRIPTION": (
        "A clinic's patients, templates, medical records and photos.\n\n"
        "**Logging in**: `logIn` exchanges an email and a password for a token; send it as `Authorization: Bearer <token>`. "
        "Those who have set up the two-step login also send a code, `otp`. "
        "Members of several clinics name one in `X-Clinic-ID`.\n\n"
        "**Versions**: a change of a template or record names the version that it was made from, by `If-Match` with the "
        'ETag of the response that was read (`"3"`), or by `version` in the body. If somebody else has changed it since, '
        "the response is 412, or 409 where the body named the version, with what is there now as `current`.\n\n"
        "**Lists** are read in pages: `next` and `previous` are URLs with a `cursor`, and null at the ends. Query "
        "parameters that an operation doesn't have are 400.\n\n"
        "**Twice**: with the same `Idempotency-Key`, a request that is sent again is done once, and gets the first "
        "response.\n\n"
        "**Unchanged**: with the ETag of an earlier response in `If-None-Match`, a read is answered with 304 if nothing "
        "has changed.\n\n"
        "**History**: nothing is overwritten. `history` of a template, a record or a photo lists its changes, and "
        "`history/{sequence}` shows it as one of them left it.\n\n"
        "**Who looked**: every response that shows a patient's record, photo or history, a 304 too, is kept in the access "
        "log, `GET /api/clinic/patients/{id}/access-log`.\n\n"
        "**Errors** are RFC 9457 problems: `type` is for programs, `detail` says what can be done, and `errors` has "
        "messages by field path."
    ),
    "LICENSE": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
    "SERVERS": [{"url": "/", "description": "The server that this document comes from."}],
    "TAGS": [
        {"name": "auth", "description": "Logging in and out."},
        {"name": "patients", "description": "The clinic's patients. They are only read."},
        {"name": "appointments", "description": "Patients' visits. They are only read."},
        {"name": "templates", "description": "What is asked: named lists of fields, made by administrators."},
        {"name": "records", "description": "Templates as they were filled in for a patient."},
        {"name": "photos", "description": "Patients' pictures, on a record or in the patient's gallery."},
    ],
    "OAS_VERSION": "3.1.0",
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_INCLUDE_SCHEMA": False,
    "AUTHENTICATION_WHITELIST": ["clinic_project.clinics.api.authentication.MemberAuthentication"],
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    # Without the usual one, which gives enumerations names of their own, and two of ours share one.
    "POSTPROCESSING_HOOKS": ["clinic_project.api.openapi_components.share_components"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"persistAuthorization": False},
}
