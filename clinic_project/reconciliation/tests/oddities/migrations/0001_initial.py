import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            "Note",
            [
                ("id", models.AutoField(primary_key=True)),
                ("title", models.CharField(max_length=50)),
                ("body", models.TextField(null=True)),
            ],
        ),
        migrations.CreateModel("NoteProxy", [], bases=("oddities.note",), options={"proxy": True}),
        migrations.CreateModel(
            "Tag",
            [
                ("id", models.AutoField(primary_key=True)),
                ("name", models.CharField(max_length=50, unique=True)),
                ("notes", models.ManyToManyField("oddities.note")),
            ],
        ),
        migrations.CreateModel(
            "Legacy",
            [
                ("id", models.AutoField(primary_key=True)),
                ("note", models.ForeignKey("oddities.note", django.db.models.deletion.CASCADE)),
            ],
            options={"managed": False, "db_table": "legacy_rows"},
        ),
    ]
