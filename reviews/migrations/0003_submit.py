"""The database's half of taking a decision in: sql/submit.sql."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql" / "submit.sql"


def install(apps, schema_editor):
    schema_editor.execute(SQL.read_text(), params=None)


class Migration(migrations.Migration):
    dependencies = [("reviews", "0002_guards"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.RunPython(install)]
