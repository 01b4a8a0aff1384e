"""The two functions of the database that keep a signed record as it was signed, whoever changes it: API, admin or psql."""

from clinic_project.reconciliation.triggers import PROJECT_SCHEMA, Function

#: The SQLSTATE of our own with which a change of what is signed is refused.
SIGNED = "MR001"

#: The columns of a record's signature.
SIGNATURE = ("signed_at", "signed_by_user_id", "signed_by_name", "content_hash")

#: Of a record: what its signature covers, what says where it is, and the signature itself.
_OF_RECORD = (
    *("id", "clinic_id", "patient_id", "template_id", "template_name", "template_snapshot", "values", "appointment_id"),
    *("is_deleted", "deleted_at"),
    *SIGNATURE,
)
#: Of a photo that is on a record: whose it is, and which file.
_OF_PHOTO = ("id", "clinic_id", "patient_id", "medical_record_id", "storage_key", "thumbnail_key", "content_hash")


def _names(columns: tuple[str, ...]) -> str:
    return f"'{{{','.join(columns)}}}'::text[]"


# Both fire after the change, when no other trigger changes the row any more. They compare columns by name and by their text:
# a column may be missing for a while, or be of a type that has no operator for equality.

GUARD_RECORD = Function(
    "medical_records_keep_signed",
    f"""
DECLARE
    before jsonb := to_jsonb(OLD);
    after jsonb;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        after := to_jsonb(NEW);
        -- A repair fills in what was NULL: of these, only is_deleted can have been.
        IF before -> 'is_deleted' = 'null' THEN
            before := before || jsonb_build_object('is_deleted', after -> 'is_deleted');
        END IF;
        IF NOT EXISTS (SELECT 1 FROM unnest({_names(_OF_RECORD)}) AS name
                       WHERE (before -> name)::text IS DISTINCT FROM (after -> name)::text) THEN
            RETURN NULL;
        END IF;
        -- An amendment is the next version, without a signature, and says when and why it was made.
        IF coalesce(after ->> 'signed_at', after ->> 'signed_by_user_id', after ->> 'signed_by_name',
                    after ->> 'content_hash') IS NULL
            AND (after ->> 'version')::bigint > (before ->> 'version')::bigint
            AND after ->> 'amended_at' IS DISTINCT FROM before ->> 'amended_at' AND after ->> 'amended_at' IS NOT NULL
            AND btrim(after ->> 'amendment_reason') <> ''
        THEN
            RETURN NULL;
        END IF;
    END IF;
    RAISE EXCEPTION '% of medical_records % is refused: it is signed', TG_OP, OLD.id
    USING ERRCODE = '{SIGNED}', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA,
        HINT = 'An amendment sets amended_at, amendment_reason and a higher version, and the four columns of the'
            ' signature to NULL, in the same UPDATE.';
END
""",
    search_path=("pg_catalog", "pg_temp"),
)

GUARD_PHOTO = Function(
    "patient_photos_keep_signed",
    f"""
DECLARE
    was jsonb;
    is_now jsonb;
    showing record;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        was := to_jsonb(OLD);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        is_now := to_jsonb(NEW);
    END IF;
    -- What is pending, or in the trash, isn't part of a record. NULL is what a repair fills in for it.
    IF was ->> 'medical_record_id' IS NULL OR coalesce(was ->> 'is_pending', 'true') = 'true'
        OR coalesce(was ->> 'is_deleted', 'false') = 'true' THEN
        was := NULL;
    END IF;
    IF is_now ->> 'medical_record_id' IS NULL OR coalesce(is_now ->> 'is_pending', 'true') = 'true'
        OR coalesce(is_now ->> 'is_deleted', 'false') = 'true' THEN
        is_now := NULL;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM unnest({_names(_OF_PHOTO)}) AS name
                   WHERE was ->> name IS DISTINCT FROM is_now ->> name) THEN
        RETURN NULL;
    END IF;
    -- Locked, so that who signs it just now is waited for, and who signs it next sees this change.
    FOR showing IN
        SELECT id, signed_at FROM medical_records
        WHERE id IN ((was ->> 'medical_record_id')::bigint, (is_now ->> 'medical_record_id')::bigint)
        ORDER BY id FOR SHARE
    LOOP
        IF showing.signed_at IS NOT NULL THEN
            RAISE EXCEPTION '% of patient_photos % is refused: medical_records %, which shows it, is signed',
                TG_OP, coalesce(was, is_now) ->> 'id', showing.id
            USING ERRCODE = '{SIGNED}', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA,
                HINT = 'Amend the record first, in the same transaction.';
        END IF;
    END LOOP;
    RETURN NULL;
END
""",
    # Who links photos need not be allowed to lock records.
    security_definer=True,
    search_path=("pg_catalog", PROJECT_SCHEMA, "pg_temp"),
)
