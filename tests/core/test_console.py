"""Output that nobody takes, or that cannot be written as it is."""

import json
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


@pytest.mark.parametrize(
    "encoding, said", [("ascii", b"\\xe4\\u56fe\\udcff"), ("latin-1", b"\xe4\\u56fe\\udcff"), ("utf-8", "ä图\\udcff".encode())]
)
def test_characters_that_the_console_lacks_are_written_out(encoding, said):
    done = run("print('\\xe4\\u56fe\\udcff')", env={"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stdout.strip()) == (0, said)


def test_what_is_printed_controls_no_terminal(tmp_path):
    """A name out of a stranger's annotation file."""
    content = {"images": [{"id": 1, "file_name": "a\x1b]0;owned\x07\r.png", "width": 4, "height": 4}], "annotations": [], "categories": []}
    (tmp_path / "a.json").write_text(json.dumps(content))
    code = "from mindpoint.cli.main import main\nfor _ in range(2): main(['data', 'check', 'a.json', '--images', '.'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=60)
    said = done.stdout + done.stderr
    assert said.count(b"(a\\x1b]0;owned\\x07\\r.png)") == 2 and not set(said) & {0x1B, 0x07, 0x0D}


def test_colours_are_ours_alone(tmp_path):
    """A name looks like a verdict in the colours that a verdict has."""
    content = {"images": [{"id": 1, "file_name": "\x1b[32mok\x1b[0m.png", "width": 4, "height": 4}], "annotations": [], "categories": []}
    (tmp_path / "a.json").write_text(json.dumps(content))
    code = (
        "from mindpoint.cli.main import main; from mindpoint.runtime import console\n"
        "main(['data', 'check', 'a.json', '--images', '.'])\nprint(console.styled('ok', 'good'))"
    )
    colours = {**os.environ, "FORCE_COLOR": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=60, env=colours)
    assert b"\\x1b[32mok\\x1b[0m.png" in done.stdout and b"\x1b[32mok\x1b[0m.png" not in done.stdout
    assert done.stdout.splitlines()[-1] == b"\x1b[32mok\x1b[0m"


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


class TestCommands:
    """The true exit code, whatever became of the output."""

    def shell(self, command, **environment):
        text = f'"{sys.executable}" -m mindpoint {command}'
        done = subprocess.run(
            ["sh", "-c", text], capture_output=True, timeout=60, env={**os.environ, "PYTHONUNBUFFERED": "", **environment}
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    @pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
    def test_closed_streams(self, closed):
        assert self.shell(f"config list {closed}")[0] == 0
        assert self.shell(f"config check nowhere.yaml {closed}")[0] == 2
        assert self.shell(f"--help {closed}")[0] == 0

    def test_a_tilde_in_quotes_is_told(self):
        code, _, said = self.shell("data check '~/nowhere.json' --images .", HOME="/home/me")
        assert code == 2 and "~/nowhere.json: no such annotation file" in said and "a shell expands ~ only" in said
        assert "shell" not in self.shell("config check nowhere.yaml")[2]

    def test_a_full_disk_is_told(self):
        code, _, said = self.shell("config list >/dev/full")
        assert code == 2 and said.startswith("mindpoint: error: standard output") and said.endswith(": No space left on device\n")
        assert self.shell("config check nowhere.yaml 2>/dev/full")[0] == 2
        assert self.shell("--version >/dev/full")[0] == 2

    def test_a_closed_pipe(self):
        assert self.shell("config list | true")[2] == self.shell("--help | true")[2] == ""

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk"])
    def test_narrow_encodings(self, tmp_path, encoding):
        name = os.fsdecode(b"kfg \xc3\xa9 \xff\x1b]0;owned\x07.yaml")
        text = "input: {size: [64, 96], mean: [0, 0, 0], std: [1, 1, 1]}\nclasses: [person]\n"
        (tmp_path / name).write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "mindpoint", "config", "check", name],
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 2 and b"'model' is missing" in done.stderr and b"Traceback" not in done.stderr
        assert b"\x1b" not in done.stderr and b"\\x1b]0;owned\\x07" in done.stderr
