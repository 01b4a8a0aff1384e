from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("oddities", "0002_by_hand")]

    operations = [migrations.AddField("note", "stars", models.IntegerField(default=0))]
