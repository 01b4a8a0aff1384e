"""What the API itself stores: access tokens, responses to requests that may be sent again, and what protects logins."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models, transaction
from django.db.models.functions import Now
from django.utils import timezone

from clinic_project.audit.waiting_commits import COMMITS_WAIT

from .one_time_codes import (
    is_time_based,
    matching_step,
    new_recovery_codes,
    normalized,
    recovery_digest,
)
from .problems import Problem


class AccessTokenManager(models.Manager["AccessToken"]):
    def issue(self, user: AbstractBaseUser) -> tuple[str, datetime]:
        """Make a token for `user` and return it with the time at which it expires. Only its hash is stored."""
        self.filter(user_id=user.pk, expires_at__lte=Now()).delete()
        token = secrets.token_urlsafe(32)
        expires_at = timezone.now() + AccessToken.LIFETIME
        row = self.create(digest=token_digest(token), user_id=user.pk, expires_at=expires_at)
        return token, row.expires_at

    def valid(self) -> models.QuerySet["AccessToken"]:
        """The unexpired tokens of active users."""
        return self.filter(expires_at__gt=Now(), user__is_active=True)


def token_digest(token: str) -> str:
    # A token is 256 random bits: a plain hash can't be guessed backwards, and can be looked up in an index.
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


class AccessToken(models.Model):
    """A bearer token, of which only the SHA-256 is kept; deleting the row revokes it."""

    LIFETIME: ClassVar[timedelta] = timedelta(hours=10)

    digest = models.CharField(max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, db_index=False, related_name="access_tokens")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    objects: ClassVar[AccessTokenManager] = AccessTokenManager()

    class Meta:
        db_table = "api_access_tokens"
        constraints = [models.UniqueConstraint(fields=["digest"], name="uq_api_access_tokens_digest")]
        indexes = [models.Index(fields=["user"], name="idx_api_access_tokens_user")]

    def __str__(self) -> str:
        return f"token {self.pk}"


class IdempotencyKeyManager(models.Manager["IdempotencyKey"]):
    def claim(self, user_id: int, clinic_id: int, key: str, fingerprint: str) -> "IdempotencyKey":
        """Return the row of a user's `key` in a clinic; its `status` is None if this transaction is the first.

        Waits for another transaction that has claimed it. Raises Problem (409) if it was used for another request.
        """
        self.purge()
        row = self.model(user_id=user_id, clinic_id=clinic_id, key=key, fingerprint=fingerprint)
        # ON CONFLICT DO NOTHING, unlike a failed INSERT, leaves the transaction usable.
        self.bulk_create([row], ignore_conflicts=True)
        found = self.get(user_id=user_id, clinic_id=clinic_id, key=key)
        if found.fingerprint != fingerprint:
            raise Problem(
                409,
                "idempotency-key-reused",
                "The key was used for another request",
                "This Idempotency-Key came with another request before. Make a new key for each new request.",
            )
        return found

    def forget(self, clinic_id: int, location: str) -> None:
        """Forget the response that repeats what was created at `location`."""
        self.filter(clinic_id=clinic_id, headers__Location=location).delete()

    def old(self) -> models.QuerySet["IdempotencyKey"]:
        """The responses that are too old to be replayed."""
        return self.filter(created_at__lt=Now() - IdempotencyKey.LIFETIME)

    @transaction.atomic
    def purge(self) -> int:
        """Delete up to 100 old responses, none that is in use, and return how many they were."""
        some = list(self.old().select_for_update(skip_locked=True).values_list("pk", flat=True)[:100])
        self.filter(pk__in=some).delete()
        return len(some)


class IdempotencyKey(models.Model):
    """The response to a request with an `Idempotency-Key`, replayed when the same request comes again.

    `fingerprint` is the SHA-256 of the request; `answer` is the body of the response.
    """

    LIFETIME: ClassVar[timedelta] = timedelta(hours=24)

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, db_index=False, related_name="+")
    clinic = models.ForeignKey("clinics.Clinic", models.CASCADE, db_index=False, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.IntegerField(null=True)
    headers = models.JSONField(db_default={})
    answer = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[IdempotencyKeyManager] = IdempotencyKeyManager()

    class Meta:
        db_table = "api_idempotency_keys"
        constraints = [
            models.UniqueConstraint(fields=["user", "clinic", "key"], name="uq_api_idempotency_keys_key"),
        ]
        indexes = [models.Index(fields=["created_at"], name="idx_api_idempotency_created")]

    def __str__(self) -> str:
        return f"idempotency key {self.pk}"


class LoginFailures(models.Model):
    """When the last logins from one address, or with one email, failed: see `throttles`, which writes it.

    `key` is a keyed digest of the address or email, `is_full` whether the last attempt was refused because of the others.
    """

    key = models.UUIDField(primary_key=True)
    times = ArrayField(models.DateTimeField())
    is_full = models.BooleanField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "api_login_failures"
        indexes = [models.Index(fields=["expires_at"], name="idx_api_login_failures_expires")]

    def __str__(self) -> str:
        return f"login failures {self.key}"


class LastWriteManager(models.Manager["LastWrite"]):
    def note(self, user_id: int) -> None:
        """Count a request of the user that may have written something, once that is committed.

        While commits wait for a standby, it isn't counted: it was refused, and would only wait here.
        """
        table = connection.ops.quote_name(self.model._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} AS last (user_id, number) SELECT %s, 1 WHERE NOT {COMMITS_WAIT}"
                " ON CONFLICT (user_id) DO UPDATE SET number = last.number + 1",
                [user_id],
            )


class LastWrite(models.Model):
    """How many requests of a user may have written something: see `replica`, without which none is counted."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    number = models.BigIntegerField()

    objects: ClassVar[LastWriteManager] = LastWriteManager()

    class Meta:
        db_table = "api_last_writes"

    def __str__(self) -> str:
        return f"last write of user {self.user_id}"


class AuthenticatorManager(models.Manager["Authenticator"]):
    def enroll(self, user: AbstractBaseUser, secret: str, code: str) -> list[str] | None:
        """Add the app that has shown `code`, and return its recovery codes, of which only hashes are stored.

        Returns None if it isn't the secret's code. Raises IntegrityError if the user has one already.
        """
        step = matching_step(secret, normalized(code))
        if step is None:
            return None
        codes = new_recovery_codes()
        self.create(user_id=user.pk, secret=secret, last_step=step, recovery_digests=list(map(recovery_digest, codes)))
        return codes

    def accept(self, user: AbstractBaseUser, code: str) -> bool:
        """Say whether `code` is one of the user's app or recovery codes, and let it never be one again."""
        code = normalized(code)
        row = self.filter(user_id=user.pk)
        if not is_time_based(code):
            digest = recovery_digest(code)
            remaining = models.Func("recovery_digests", models.Value(digest), function="array_remove")
            return bool(row.filter(recovery_digests__contains=[digest]).update(recovery_digests=remaining))
        secret = row.values_list("secret", flat=True).first()
        step = None if secret is None else matching_step(secret, code)
        return step is not None and bool(row.filter(last_step__lt=step).update(last_step=step))

    def renew_recovery_codes(self, user: AbstractBaseUser) -> list[str]:
        """Replace the user's recovery codes, and return the new ones."""
        codes = new_recovery_codes()
        self.filter(user_id=user.pk).update(recovery_digests=list(map(recovery_digest, codes)))
        return codes


class Authenticator(models.Model):
    """The app on a user's phone that makes the codes of their two-step login.

    `secret` is what both share, in base32; `last_step` is that of the last code that was used, before which none is
    accepted; `recovery_digests` are of the recovery codes that are left.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="authenticator"
    )
    secret = models.CharField(max_length=64)
    last_step = models.BigIntegerField()
    recovery_digests = ArrayField(models.CharField(max_length=64))
    enrolled_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[AuthenticatorManager] = AuthenticatorManager()

    class Meta:
        db_table = "api_authenticators"

    def __str__(self) -> str:
        return f"authenticator of user {self.user_id}"
