"""The WSGI application, for gunicorn and the ``flask`` command."""

import os
import sys

from rollcall.app import create_app
from rollcall.settings import Settings, SettingsError

try:
    settings = Settings.from_environ(os.environ)
    app = create_app(settings)
except SettingsError as error:
    sys.exit(f"rollcall: {error}")
except OSError as error:
    sys.exit(f"rollcall: cannot write to ROLLCALL_HOME ({settings.home}): {error.strerror}.")
