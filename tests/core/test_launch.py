"""Starting and ending the processes of a job, with small Python programs for workers: no MindSpore."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mindpoint.cli.main import main
from mindpoint.errors import MindpointError
from mindpoint.launch import job as launch
from mindpoint.runtime import cpu

TOOLS = Path(__file__).parents[2] / "tools"
# what a worker has at hand
PRELUDE = """
import faulthandler, os, signal, subprocess, sys, time
from mindpoint.launch import heartbeat
rank = int(os.environ["MS_NODE_ID"])
faulthandler.register(signal.SIGUSR1)
def tell_pid(pid=None):
    with open("pids", "a") as file:
        file.write(f"{pid or os.getpid()}\\n")
"""
SLEEP = "tell_pid(); time.sleep(300)"


def job(folder, body, workers=2, **settings):
    return launch.Job([sys.executable, "-c", PRELUDE + body], (), workers, "127.0.0.1", 1, folder, **settings)


def failure(folder, body, **settings):
    with pytest.raises(launch.JobFailed) as caught:
        launch.run(job(folder, body, **settings))
    return str(caught.value), caught.value.exit_code


def alive(pid):
    """Return whether a process runs; False for zombies."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def pids(count):
    """The processes that have told their number, once there are so many."""
    until = time.monotonic() + 20
    while not (Path("pids").exists() and len(Path("pids").read_text().split()) >= count):
        assert time.monotonic() < until, "the workers did not start"
        time.sleep(0.05)
    return [int(pid) for pid in Path("pids").read_text().split()]


def all_end(numbers, seconds=10):
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(map(alive, numbers)):
        time.sleep(0.05)
    return not any(map(alive, numbers))


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("MS_", "OMP_NUM"))]:
        monkeypatch.delenv(name)


@pytest.mark.slow
def test_each_rank_has_its_number_and_log_and_the_first_is_shown(tmp_path, capfd):
    launch.run(job(tmp_path, "print('this is', rank, os.environ['DEVICE_ID'], os.environ['MS_WORKER_NUM'])", hosts=2, host_rank=0))
    assert (tmp_path / "rank-0.log").read_text() == "this is 0 0 4\n"
    assert (tmp_path / "rank-1.log").read_text() == "this is 1 1 4\n"
    assert capfd.readouterr().out == "this is 0 0 4\n"
    launch.run(job(tmp_path, "print('this is', rank, os.environ['DEVICE_ID'], os.environ['MS_WORKER_NUM'])", hosts=2, host_rank=1))
    assert (tmp_path / "rank-3.log").read_text() == "this is 3 1 4\n"
    assert capfd.readouterr().out == ""


def test_cores_are_shared_unless_the_user_has_said_otherwise(tmp_path, monkeypatch):
    body = "print(os.environ['OMP_NUM_THREADS'])"
    monkeypatch.setattr("mindpoint.runtime.cpu.cores", lambda: 9)
    launch.run(job(tmp_path, body))
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    launch.run(job(tmp_path, body))
    assert (tmp_path / "rank-1.log").read_text() == "4\n7\n"


def test_each_process_has_cores_of_its_own_if_there_are_enough(tmp_path):
    ours = sorted(os.sched_getaffinity(0))
    for workers in (2, len(ours) + 1):
        folder = tmp_path / str(workers)
        folder.mkdir()
        launch.run(job(folder, "print(sorted(os.sched_getaffinity(0)))", workers))
        theirs = [json.loads((folder / f"rank-{rank}.log").read_text()) for rank in range(workers)]
        if workers > len(ours):
            assert theirs == [ours] * workers
        else:
            assert all(theirs) and sorted(sum(theirs, [])) == ours


def test_cores_are_dealt_out_by_socket_and_physical_core(tmp_path, monkeypatch):
    """Eight CPUs: four physical cores of two threads, on two sockets, numbered as Linux does on such machines."""
    for number in range(8):
        folder = tmp_path / f"cpu{number}"
        folder.mkdir()
        (folder / "physical_package_id").write_text(f"{number % 2}\n")
        (folder / "core_id").write_text(f"{number % 4 // 2}\n")
    monkeypatch.setattr("mindpoint.runtime.cpu._TOPOLOGY", str(tmp_path / "cpu{}"))
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    assert cpu.shares(2) == [[0, 4, 2, 6], [1, 5, 3, 7]]
    assert cpu.shares(4) == [[0, 4], [2, 6], [1, 5], [3, 7]]
    assert cpu.shares(3) == [[0, 4], [2, 6, 1], [5, 3, 7]]


@pytest.mark.slow
def test_an_error_is_told_with_its_rank_and_ends_the_others(tmp_path):
    body = f"""
if rank == 1:
    while not os.path.exists("pids") or len(open("pids").read().split()) < 2: time.sleep(0.05)
    raise ValueError("a very\\nspecial error")
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
tell_pid(child.pid); {SLEEP}"""
    message, code = failure(tmp_path, body)
    assert code == 1
    assert message.startswith("rank 1 ended with exit code 1; its last message:\nValueError: a very\nspecial error\n")
    assert str(tmp_path) in message and "Traceback" not in message
    assert all_end(pids(2)), "the rank that was well, or what it had started, is still there"


def test_what_all_ranks_say_is_said_once(tmp_path, capfd):
    body = """
tell_pid()
while len(open("pids").read().split()) < 2: time.sleep(0.05)
time.sleep(0.3 * (1 - rank))
sys.exit("mindpoint: error: a.yaml:3: no such thing")"""
    message, code = failure(tmp_path, body)
    assert code == 1 and message.startswith("rank 0 ended with exit code 1\n")
    assert (capfd.readouterr().out + message).count("no such thing") == 1


def test_a_full_disk_of_logs_is_told(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a disk")
    try:
        message, code = failure(disk, "while True: print('x' * 1000, flush=True)", show=False)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert code == 1 and message.endswith(f"their logs are in {disk}, on a full disk: free some space")


@pytest.mark.slow
def test_a_rank_that_has_finished_stays_until_all_have(tmp_path):
    """A finished process waits, since it may still hold sent data."""
    body = """
if rank == 1:
    while not os.path.exists("pids"):
        time.sleep(0.05)
    time.sleep(2)
    os.kill(int(open("pids").read()), 0)
else:
    tell_pid()
from mindpoint.launch import process
process.run(lambda: 0)"""
    launch.run(job(tmp_path, body))
    assert all_end(pids(1))


@pytest.mark.slow
def test_a_killed_rank_is_named(tmp_path):
    message, code = failure(tmp_path, "tell_pid(); os.kill(os.getpid(), 9) if rank == 1 else time.sleep(300)")
    assert code == 128 + 9 and message.startswith("rank 1 was killed by SIGKILL")
    assert all_end(pids(2))


@pytest.mark.slow
@pytest.mark.parametrize("stop", ["time.sleep(300)", "os.kill(os.getpid(), signal.SIGSTOP)"])
def test_a_hanging_rank_is_named_with_what_it_did(tmp_path, stop):
    body = f"""
tell_pid()
while len(open("pids").read().split()) < 2: time.sleep(0.05)
for step in range(3000):
    heartbeat.beat(f"step {{step}}")
    if rank == 1 and step == 3:
        {stop}
    if step == 13:
        time.sleep(300)  # waits for the other
    time.sleep(0.1)"""
    started = time.monotonic()
    message, code = failure(tmp_path, body, silence=5)
    assert time.monotonic() - started < 40
    assert code == launch.HUNG and message.startswith("rank 1 hangs: no activity for 5 s")
    assert "rank 0: step 13 for" in message and "rank 1: step 3 for" in message
    assert ("stopped by a signal" in message) == ("SIGSTOP" in stop)
    assert "<module>" in (tmp_path / "rank-0.log").read_text(), "no stack"
    assert all_end(pids(2))


@pytest.mark.slow
def test_a_scheduler_that_misses_a_rank_is_told_without_its_call_stack(tmp_path):
    """MindSpore's scheduler ends half a minute after a worker was stopped, if the launcher waits longer for a sign of life."""
    dashes = "-" * 52
    said = f"node 1 timed out\n\n{dashes}\n- C++ Call Stack: (For framework developers)\n{dashes}\ntopology/node.cc:554 Update"
    body = """
heartbeat.beat("step 3")
if rank == 1:
    tell_pid(); os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(300)"""
    missing = f"""
import pathlib, time
while not (pathlib.Path("pids").exists() and pathlib.Path("pids").read_text()):
    time.sleep(0.1)
time.sleep(2)
raise RuntimeError({said!r})"""
    stopped = dataclasses.replace(job(tmp_path, body), scheduler=[sys.executable, "-c", missing])
    with pytest.raises(launch.JobFailed) as caught:
        launch.run(stopped)
    first, error, *ranks, last = str(caught.value).splitlines()
    assert first == "the scheduler ended with exit code 1; its last message:" and error == "RuntimeError: node 1 timed out"
    assert len(ranks) == 2 and re.fullmatch(r"rank 1: step 3 for \d+ s, stopped by a signal", ranks[1])
    assert last.startswith("all processes were ended") and all_end(pids(1))


def start(body, preexec_fn=None, **settings):
    """A launcher in a process of its own."""
    code = f"""
import sys
from pathlib import Path
from mindpoint.launch import job as launch
try:
    launch.run(launch.Job([sys.executable, "-c", {PRELUDE + body!r}], (), 2, "127.0.0.1", 1, Path("."), **{settings!r}))
except KeyboardInterrupt:
    sys.exit(130)
"""
    return subprocess.Popen([sys.executable, "-c", code], preexec_fn=preexec_fn)


def test_nobody_outlives_a_killed_launcher():
    launcher = start(SLEEP)
    workers = pids(2)
    assert all(map(alive, workers))
    launcher.kill()
    launcher.wait()
    assert all_end(workers)


@pytest.mark.parametrize(
    "number, before", [(signal.SIGINT, signal.SIG_DFL), (signal.SIGINT, signal.SIG_IGN), (signal.SIGTERM, signal.SIG_DFL)]
)
def test_an_interruption_lets_the_workers_end_in_order(number, before):
    """Also where a shell has put the launcher into the background and lets it ignore SIGINT."""
    launcher = start(
        """
try:
    tell_pid(); time.sleep(300)
except KeyboardInterrupt:
    print("tidy"); time.sleep(0.5); print("done")""",
        lambda: signal.signal(signal.SIGINT, before),
    )
    workers = pids(2)
    launcher.send_signal(number)
    assert launcher.wait(20) == 130
    assert all_end(workers)
    for rank in (0, 1):
        assert Path(f"rank-{rank}.log").read_text() == "tidy\ndone\n"


def test_a_port_in_use_is_found_before_anything_starts(capsys, tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        place = f"127.0.0.1:{server.getsockname()[1]}"
        assert main(["launch", "2", "train", "none.yaml", "--master", place]) == 2
    assert capsys.readouterr().err == (
        f"mindpoint: error: --master {place}: the scheduler cannot listen there: Address already in use; choose another\n"
    )
    assert not list(tmp_path.iterdir())
    host, port = launch.address(None, listen=True)
    assert host == "127.0.0.1" and port > 1023


@pytest.mark.parametrize("master", ["here", "host:", "host:70000", "host:x"])
def test_an_address_that_is_none(master):
    with pytest.raises(MindpointError, match="write HOST:PORT"):
        launch.address(master, listen=True)


def test_options_stand_before_or_among_the_command_s_arguments(monkeypatch):
    jobs = []
    monkeypatch.setattr(launch, "run", jobs.append)
    command = ["train", "a.yaml", "--set", "x.y=1", "--out", "o"]
    hosts = ["--nnodes", "2", "--node-rank", "1", "--master", "127.0.0.1:99"]
    assert main(["launch", *hosts, "3", *command, "--hang-timeout", "9"]) == 0
    assert main(["launch", "3", *command[:2], *hosts, *command[2:], "--hang-timeout", "9"]) == 0
    assert dataclasses.replace(jobs[0], logs=jobs[1].logs) == jobs[1]
    assert jobs[0].command == launch.worker_command(*command) and not jobs[0].scheduler
    assert main(["launch", "2", "train", "a.yaml"]) == main(["launch", "2", "train", "a.yaml"]) == 0
    assert len({job.logs for job in jobs}) == 4, "each job has a folder of its own"
    assert (jobs[0].workers, jobs[0].hosts, jobs[0].host_rank, jobs[0].port, jobs[0].silence) == (3, 2, 1, 99, 9)


@pytest.mark.parametrize(
    "options, message",
    [(["--nnodes", "2"], "several hosts need HOST:PORT"), (["--node-rank", "1"], "--node-rank is 1; it must be in 0..0")],
)
def test_hosts_that_do_not_fit(options, message, capsys):
    assert main(["launch", "2", "train", "a.yaml", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("tool, first", [("dist_train.sh", "CONFIG N"), ("dist_eval.sh", "MODEL N")])
def test_scripts_tell_what_they_take(tool, first):
    done = subprocess.run(["bash", str(TOOLS / tool), "quickstart"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith(f"usage: tools/{tool} {first}") and len(done.stderr.splitlines()) == 1
