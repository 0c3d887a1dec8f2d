"""Output that nobody takes, or that cannot be written as it is."""

import os
import subprocess
import sys

import pytest

from mindpoint.runtime.console import printable

CODE = "from mindpoint.runtime import console; import os, sys; console.prepare(); "


def run(code, **options):
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.run([sys.executable, "-c", CODE + code], capture_output=True, timeout=60, env=environment, **options)


def test_control_characters_are_written_out():
    assert printable("a\x1b]0;owned\x07b\tc\nd\x9be\u202ef") == "a\\x1b]0;owned\\x07b\tc\nd\\x9be\\u202ef"
    assert printable("图像 ä.jpg") == "图像 ä.jpg"


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-"])
def test_closed_streams_lead_nowhere(closed, tmp_path):
    code = f"print('out'); print('err', file=sys.stderr); sys.stdout.flush(); open({str(tmp_path / 'done')!r}, 'w').close()"
    done = subprocess.run(["sh", "-c", f'exec "{sys.executable}" -c "$0" {closed}', CODE + code], timeout=60)
    assert done.returncode == 0 and (tmp_path / "done").exists()


@pytest.mark.parametrize("encoding, said", [("ascii", b"\\xe4\\u56fe\\udcff"), ("latin-1", b"\xe4\\u56fe\\udcff"), ("utf-8", "ä图\\udcff".encode())])
def test_characters_that_the_console_lacks_are_written_out(encoding, said):
    done = run("print('\\xe4\\u56fe\\udcff')", env={"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stdout.strip()) == (0, said)


def test_work_goes_on_without_a_reader(tmp_path):
    code = (
        "console.outlive()\nfor n in range(30000): print('line', n, flush=n % 100 == 0)\n"
        f"sys.stderr.write('x'); open({str(tmp_path / 'done')!r}, 'w').close()"
    )
    reader = subprocess.Popen([sys.executable, "-c", CODE + code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    reader.stdout.readline()
    reader.stdout.close()
    reader.stderr.close()
    assert reader.wait(60) == 0 and (tmp_path / "done").exists()
