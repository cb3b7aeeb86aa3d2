#!/usr/bin/env python
import os
import sys

from django.core.management import execute_from_command_line

from config import embedded, env


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        # Without a server of one's own, the plan of the embedded one supplies addresses and secrets.
        if "DATABASE_URL" not in os.environ or sys.argv[1:2] == ["up"]:
            embedded.plan(env.var_dir())
        execute_from_command_line(sys.argv)
    except env.SettingUnreadable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
