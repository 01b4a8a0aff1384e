"""The clinic: users, clinics, memberships, patients, calendar events and appointments.

Brings an existing clinic's tables to the declared ones, and makes what is missing.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import clinic_project.reconciliation.indexes
from clinic_project.reconciliation.operations import ReconcileSchema


class Migration(migrations.Migration):
    initial = True

    # Each step is committed on its own, and indexes are built concurrently.
    atomic = False

    dependencies = []

    operations = [
        ReconcileSchema(
            [
                migrations.CreateModel(
                    name="Clinic",
                    fields=[
                        (
                            "id",
                            models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                        ),
                        ("name", models.CharField(max_length=255)),
                        ("is_active", models.BooleanField(db_default=True)),
                        ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                    ],
                    options={
                        "db_table": "clinics",
                    },
                ),
                migrations.CreateModel(
                    name="User",
                    fields=[
                        (
                            "id",
                            models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                        ),
                        ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                        ("email", models.EmailField(max_length=255)),
                        ("password", models.CharField(db_default="", max_length=128)),
                        ("is_superuser", models.BooleanField(db_default=False)),
                        ("is_staff", models.BooleanField(db_default=False)),
                        ("is_active", models.BooleanField(db_default=True)),
                        ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                    ],
                    options={
                        "db_table": "users",
                        "constraints": [models.UniqueConstraint(fields=("email",), name="users_email_key")],
                    },
                ),
                migrations.CreateModel(
                    name="CalendarEvent",
                    fields=[
                        (
                            "id",
                            models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                        ),
                        ("event_type", models.CharField(max_length=50)),
                        ("date", models.DateField()),
                        ("start_time", models.TimeField(blank=True, null=True)),
                        ("end_time", models.TimeField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        (
                            "user",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="calendar_events",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "clinic",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="calendar_events",
                                to="clinics.clinic",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "calendar_events",
                    },
                ),
                migrations.CreateModel(
                    name="Membership",
                    fields=[
                        (
                            "id",
                            models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                        ),
                        ("full_name", models.CharField(max_length=255)),
                        ("title", models.CharField(blank=True, db_default="", max_length=50)),
                        ("roles", models.JSONField(blank=True, db_default=[])),
                        ("is_active", models.BooleanField(db_default=True)),
                        ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        (
                            "clinic",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="memberships",
                                to="clinics.clinic",
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="memberships",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "db_table": "user_clinic_associations",
                    },
                ),
                migrations.CreateModel(
                    name="Patient",
                    fields=[
                        (
                            "id",
                            models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                        ),
                        ("full_name", models.CharField(max_length=255)),
                        ("phone_number", models.CharField(blank=True, max_length=50, null=True)),
                        ("birthday", models.DateField(blank=True, null=True)),
                        ("gender", models.CharField(blank=True, max_length=20, null=True)),
                        ("notes", models.TextField(blank=True, null=True)),
                        ("is_deleted", models.BooleanField(db_default=False)),
                        ("deleted_at", models.DateTimeField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        (
                            "clinic",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="patients",
                                to="clinics.clinic",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "patients",
                    },
                ),
                migrations.CreateModel(
                    name="Appointment",
                    fields=[
                        (
                            "calendar_event",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                serialize=False,
                                to="clinics.calendarevent",
                            ),
                        ),
                        ("status", models.CharField(db_default="confirmed", max_length=50)),
                        ("notes", models.CharField(blank=True, max_length=500, null=True)),
                        (
                            "patient",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="appointments",
                                to="clinics.patient",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "appointments",
                    },
                ),
                migrations.AddIndex(
                    model_name="calendarevent",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["clinic", "date", "event_type"], name="idx_calendar_events_clinic_date_type"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="membership",
                    constraint=models.UniqueConstraint(fields=("user", "clinic"), name="uq_user_clinic"),
                ),
                migrations.AddIndex(
                    model_name="patient",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["clinic", "phone_number"], name="idx_patients_clinic_phone"
                    ),
                ),
                migrations.AddIndex(
                    model_name="appointment",
                    index=clinic_project.reconciliation.indexes.LongNameIndex(
                        fields=["patient"], name="idx_appointments_patient"
                    ),
                ),
            ]
        )
    ]
