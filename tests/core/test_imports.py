"""The core stays light and knows no plugin."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mindpoint.registry import KINDS
from mindpoint.registry.entries import declared

FRAMEWORK = Path(__file__).resolve().parents[2] / "framework"
EVERY_PART = "from mindpoint.registry import *\nfor kind in kinds():\n    for name in registry(kind.plural).names(): registry(kind.plural)."
EVERY_COMMAND = """
from importlib import import_module
from mindpoint.cli.main import built_in
for name in built_in():
    import_module(f"mindpoint.cli.{name.replace('-', '_')}")
"""
HEAVY = ("mindspore", "cv2", "numpy", "faster_coco_eval", "mindpoint_centernet")


def imported_by(code):
    program = f"import json, sys\n{code}\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import mindpoint.registry, mindpoint.registry.doctor",
        "import mindpoint.config",
        "import mindpoint",
        "import mindpoint.cli.main",
        EVERY_COMMAND,
        EVERY_PART + "find(name)",
        EVERY_PART + "describe(name)",
    ],
    ids=["registry", "config", "mindpoint", "cli", "commands", "finding every part", "describing every part"],
)
def test_light_modules_import_nothing_heavy(code):
    allowed = {"numpy"} if "config" in code else set()  # the contracts' data types need it
    assert set(HEAVY) & imported_by(code) <= allowed


@pytest.mark.entry_points
def test_no_file_of_the_core_names_a_plugin():
    entries = [entry for kind in KINDS for entry in declared()[kind.plural] if entry.module.startswith("mindpoint_centernet")]
    words = {"mindpoint_centernet", *(e.attribute for e in entries if e.kind.plural != "commands")}
    assert len(words) > 10
    found = [
        f"{file.relative_to(FRAMEWORK)}:{number}: {word}"
        for file in sorted(FRAMEWORK.rglob("*.py"))
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        for word in words
        if word in line
    ]
    assert found == []
