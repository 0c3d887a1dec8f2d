"""The compiled library's cache, with real compilers, processes and files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mindpoint.native import build as native_build

SOURCE = Path(__file__).parents[1] / "fixtures" / "three.cc"  # compiled within a moment
BUILD = (
    "import sys, pathlib; from mindpoint.native.build import build; "
    "from mindpoint.errors import MindpointError\n"
    "try: print(build(pathlib.Path(sys.argv[1])))\n"
    "except MindpointError as error: sys.exit(f'refused: {error}')"
)

needs_compiler = pytest.mark.skipif(not native_build.find_compilers(), reason="no C++ compiler here")


@pytest.fixture
def environment(tmp_path):
    """Variables of a process with a cache and a temporary folder of its own."""
    (tmp_path / "tmp").mkdir()
    variables = {key: value for key, value in os.environ.items() if key not in ("CXX", "MINDPOINT_KERNELS", "XDG_CACHE_HOME")}
    return {**variables, "MINDPOINT_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "tmp")}


def start(environment, source=SOURCE):
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(source)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def build(environment, source=SOURCE):
    """(path or None, what was said) of a build in a process of its own."""
    process = start(environment, source)
    out, said = process.communicate(timeout=120)
    assert "Traceback" not in said
    return (Path(out.strip()) if process.returncode == 0 else None), said


def counting_compiler(tmp_path):
    """A compiler that leaves a line for each compilation, and that file."""
    log, script = tmp_path / "compilations", tmp_path / "counting-compiler"
    real = " ".join(native_build.find_compilers()[0])
    script.write_text(f'#!/bin/sh\ncase "$*" in *--version*) ;; *) echo once >> "{log}" ;; esac\nexec {real} "$@"\n')
    script.chmod(0o755)
    return str(script), log


@pytest.mark.slow
@needs_compiler
def test_six_processes_at_once_compile_once(tmp_path, environment):
    environment["CXX"], log = counting_compiler(tmp_path)
    conv2d = Path(native_build.__file__).with_name("conv2d.cc")  # takes seconds, so that all wait for one
    processes = [start(environment, conv2d) for _ in range(6)]
    results = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 6, results
    assert len({out for out, _ in results}) == 1
    assert log.read_text().splitlines() == ["once"]
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".lock", ".so"]


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="truncated"),
        pytest.param(lambda data: b"", id="emptied"),
        pytest.param(lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:], id="one bit"),
    ],
)
def test_damaged_library_is_built_again(environment, damage):
    library, _ = build(environment)
    intact = library.read_bytes()
    library.write_bytes(damage(intact))
    again, _ = build(environment)
    assert again == library and library.read_bytes()[-32:] == intact[-32:]


@pytest.mark.slow
@needs_compiler
def test_another_source_header_or_compiler_is_another_library(tmp_path, environment):
    first, _ = build(environment)
    changed = tmp_path / SOURCE.name
    changed.write_text(SOURCE.read_text() + "// changed\n")
    header = tmp_path / "extra.h"
    header.write_text("// nothing\n")
    second, _ = build(environment, changed)
    header.write_text(header.read_text() + "// changed\n")
    third, _ = build(environment, changed)
    environment["CXX"] = native_build.find_compilers()[0][0] + " -DOTHER"
    fourth, _ = build(environment)
    libraries = [first, second, third, fourth]
    assert len(set(libraries)) == 4 and all(path.is_file() for path in libraries)


def test_failing_compiler_is_quoted(tmp_path, environment):
    script = tmp_path / "compiler"
    script.write_text('#!/bin/sh\ncase "$*" in *--version*) echo 1 ;; *) echo "x.cc:3: error: no luck" >&2; exit 7 ;; esac\n')
    script.chmod(0o755)
    environment["CXX"] = str(script)
    path, said = build(environment)
    assert path is None and said == f"refused: {script} ended with exit code 7: x.cc:3: error: no luck\n"
    assert list((tmp_path / "cache").glob("*.so")) == []


@needs_compiler
def test_source_that_does_not_compile(tmp_path, environment):
    broken = tmp_path / "broken.cc"
    broken.write_text("int f( {\n")
    path, said = build(environment, broken)
    assert path is None and said.startswith("refused: ") and "broken.cc:1" in said


@needs_compiler
def test_library_with_a_missing_symbol_is_refused(tmp_path, environment):
    source = tmp_path / "lacking.cc"
    source.write_text('extern "C" int nowhere(); extern "C" int here() { return nowhere(); }\n')
    path, said = build(environment, source)
    assert path is None and "does not load" in said and "nowhere" in said


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("cache", ["/dev/null/cache", "with:colon"])
def test_unusable_cache_goes_to_the_temporary_folder(tmp_path, environment, cache):
    environment["MINDPOINT_CACHE"] = str(tmp_path / cache)
    path, _ = build(environment)
    assert path.parent == tmp_path / "tmp" / f"mindpoint-{os.getuid()}"
    assert path.parent.stat().st_mode & 0o777 == 0o700


@needs_compiler
def test_temporary_folder_that_others_can_write_is_not_trusted(tmp_path, environment):
    environment["MINDPOINT_CACHE"] = "/dev/null/cache"
    shared = tmp_path / "tmp" / f"mindpoint-{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    path, said = build(environment)
    assert path is None and "/dev/null/cache: Not a directory" in said
    assert list(shared.iterdir()) == []


PLANTED = """
import hashlib, pathlib, subprocess, sys
library, compiler, mark = sys.argv[1:]
source = pathlib.Path(library).with_suffix(".cc")
source.write_text('#include <cstdio>\\n__attribute__((constructor)) static void run() { fclose(fopen("' + mark + '", "w")); }\\n')
subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
content = pathlib.Path(library).read_bytes()
pathlib.Path(library).write_bytes(content + hashlib.sha256(content).digest())
"""


class TestPlanted:
    """Somebody else puts a library with a right check sum into the cache."""

    def plant(self, tmp_path, environment):
        library, _ = build(environment)
        compiler = native_build.find_compilers()[0][0]
        subprocess.run([sys.executable, "-c", PLANTED, str(library), compiler, str(tmp_path / "ran")], check=True)
        return library

    @pytest.mark.slow
    @needs_compiler
    @pytest.mark.parametrize("variable", ["MINDPOINT_CACHE", "XDG_CACHE_HOME", "HOME"])
    @pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
    def test_a_folder_that_others_can_write(self, tmp_path, environment, variable, mode):
        del environment["MINDPOINT_CACHE"]
        environment[variable] = str(tmp_path / "place")
        library = self.plant(tmp_path, environment)
        library.parent.chmod(mode)
        path, said = build(environment)
        assert not (tmp_path / "ran").exists()
        assert path.parent == tmp_path / "tmp" / f"mindpoint-{os.getuid()}"
        assert f"{library.parent}: unsafe as a cache, since others can write there" in said

    @pytest.mark.slow
    @needs_compiler
    def test_a_library_that_others_can_write(self, tmp_path, environment):
        library = self.plant(tmp_path, environment)
        library.chmod(0o722)
        assert build(environment)[0] == library and not (tmp_path / "ran").exists()
        assert library.stat().st_mode & 0o777 == 0o700

    @pytest.mark.slow
    @needs_compiler
    def test_a_link(self, tmp_path, environment):
        library = self.plant(tmp_path, environment)
        library.rename(tmp_path / "elsewhere.so")
        library.symlink_to(tmp_path / "elsewhere.so")
        assert build(environment)[0] == library and not library.is_symlink() and not (tmp_path / "ran").exists()

    @pytest.mark.slow
    @needs_compiler
    @pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
    @pytest.mark.parametrize("what", ["folder", "library"])
    def test_of_another_user(self, tmp_path, environment, what):
        library = self.plant(tmp_path, environment)
        os.chown(library.parent if what == "folder" else library, 12345, 12345)
        path, _ = build(environment)
        assert path is not None and (path == library) == (what == "library") and not (tmp_path / "ran").exists()

    @pytest.mark.slow
    @needs_compiler
    def test_what_is_ours_runs(self, tmp_path, environment):
        """Else the tests above prove nothing."""
        self.plant(tmp_path, environment)
        build(environment)
        assert (tmp_path / "ran").exists()


@pytest.mark.slow
@needs_compiler
def test_a_lock_that_is_a_link_empties_nothing(tmp_path, environment):
    library, _ = build(environment)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    library.unlink()
    library.with_suffix(".lock").unlink()
    library.with_suffix(".lock").symlink_to(victim)
    path, _ = build(environment)
    assert victim.read_text() == "precious" and path is not None


@pytest.mark.slow
@needs_compiler
def test_what_killed_compilers_left_goes(tmp_path, environment):
    library, _ = build(environment)
    library.unlink()
    rest = library.with_name(f"{library.stem}-abcd1234.so")
    other = library.with_name("other-0123456789-abcd1234.so")
    rest.touch(), other.touch()
    assert build(environment)[0] == library and not rest.exists() and other.exists()


@needs_compiler
@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_finished_library_in_a_read_only_cache_is_used(tmp_path, environment):
    library, _ = build(environment)
    library.parent.chmod(0o500)
    try:
        assert build(environment) == (library, "")
    finally:
        library.parent.chmod(0o700)


NETWORK = """
import logging, sys
logging.basicConfig(format="%(name)s %(levelname)s %(message)s", stream=sys.stdout, level=logging.INFO)
import mindpoint, mindspore as ms, numpy as np
from mindpoint.errors import MindpointError
from mindpoint.native.accelerate import accelerate
from mindpoint.native.conv2d import SOURCE
from mindpoint.native.kernel import choose
ms.set_context(mode=ms.GRAPH_MODE)
cells = [ms.nn.Conv2d(4, 4, 3), ms.nn.Conv2d(4, 4, 3)]
x = ms.Tensor(np.ones((1, 4, 6, 6), np.float32))
print("accelerated:", [accelerate(cell) for cell in cells], cells[0](x).shape)
try: choose(SOURCE, "native")
except MindpointError as error: print("native:", error)
"""


@pytest.mark.slow
def test_without_compiler_it_falls_back_and_says_so_once(tmp_path, environment):
    (tmp_path / "bin").mkdir()
    script = tmp_path / "network.py"
    script.write_text(NETWORK)
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**environment, "PATH": str(tmp_path / "bin")},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0
    lines = [line for line in done.stdout.splitlines() if "conv2d" in line or "accelerated" in line]
    reason = "no C++ compiler found; install g++ or clang++, or set CXX (now '')"
    assert lines == [
        f"mindpoint WARNING conv2d: using MindSpore's own, slower operator instead of a compiled kernel: {reason}",
        "accelerated: [0, 0] (1, 4, 6, 6)",
        f"native: conv2d: the native implementation cannot be used: {reason}",
    ]


@pytest.mark.slow
@needs_compiler
def test_with_compiler_the_kernel_is_taken(tmp_path, environment):
    script = tmp_path / "network.py"
    script.write_text(NETWORK)
    folder = tmp_path / "a cache"  # MindSpore must take such a path too
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**environment, "MINDPOINT_CACHE": str(folder)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0
    lines = [line for line in done.stdout.splitlines() if "conv2d" in line or "accelerated" in line]
    assert lines == ["mindpoint INFO conv2d: compiled kernel", "accelerated: [1, 1] (1, 4, 6, 6)"]
    assert len(list(folder.glob("*.so"))) == 1
