"""pip, and distributions that tests install."""

import json
import os
import subprocess
import sys

OFFLINE = ("--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet")


def pip(*arguments, **options):
    """Run pip of the running interpreter; its output is the message if it fails."""
    done = subprocess.run([sys.executable, "-m", "pip", *map(str, arguments)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr


class Installed:
    """Distributions that are installed beside the running environment, in folders of their own."""

    def __init__(self, folders):
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}

    def python(self, *arguments):
        return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=self.environment, timeout=300)

    def mindpoint(self, *arguments):
        return self.python("-m", "mindpoint", *arguments)

    def listed(self, *arguments):
        """Names of ``plugins list`` by distribution."""
        done = self.mindpoint("plugins", "list", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        names = {}
        for part in json.loads(done.stdout):
            names.setdefault(part["distribution"], set()).add(part["name"])
        return names
