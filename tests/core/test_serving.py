"""A predictor in a server: many threads at once, forked and spawned processes."""

import http.server
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import Request, urlopen

import cv2
import mindpoint
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.model import checkpoint
from mindpoint.model.network import build_network
from mindspore import nn
from toy import Spots

HERE = Path(__file__).parent
THREADS = 32


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The toy model with random weights by format; ``openvino`` is the ONNX file, too."""
    folder = tmp_path_factory.mktemp("models")
    config = load_config(str(HERE / "toy.yaml"), [])
    network = build_network(config)
    arrays = {name: parameter.asnumpy() for name, parameter in network.parameters_dict().items()}
    paths = {name: str(folder / f"toy.{name}") for name in ("ckpt", "onnx", "mindir")}
    checkpoint.save(paths["ckpt"], arrays, {"config": config.to_yaml()})
    assert main(["export", paths["ckpt"], "--out", paths["onnx"], "--dynamic", "batch", "size"]) == 0
    assert main(["export", paths["ckpt"], "--format", "mindir", "--out", paths["mindir"]]) == 0
    return {**paths, "openvino": paths["onnx"]}


ENGINES = {"onnx": "onnxruntime", "openvino": "openvino"}  # the others choose by themselves


def opened(models, kind, **options):
    if kind == "openvino":
        pytest.importorskip("openvino")
    return mindpoint.Predictor(models[kind], engine=ENGINES.get(kind, "auto"), **options)


def images(count):
    """PNG files of toy images in several sizes."""
    made = [np.kron(Spots(1000)[index].image, np.ones((2 + index % 3, 2 + index % 3, 1), np.uint8)) for index in range(count)]
    return [cv2.imencode(".png", image)[1].tobytes() for image in made]


def decode(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


@pytest.fixture
def serve():
    """``serve(predictor)``: the address of a server with a thread for each request, which answers an image with its objects."""
    servers = []

    def start(predictor):
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                image = decode(self.rfile.read(int(self.headers["Content-Length"])))
                answer = json.dumps(predictor(image).to_records()).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 256

        servers.append(Server(("127.0.0.1", 0), Answer))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ckpt", "onnx", "openvino", "mindir"])
def test_overlapping_requests_give_what_each_gives_alone(models, serve, kind):
    """200 requests from 32 threads at once to a predictor whose network was not compiled before."""
    files = images(200)
    alone = opened(models, kind, threshold=0)
    expected = [json.loads(json.dumps(alone(decode(data)).to_records())) for data in files]
    assert len({json.dumps(records) for records in expected}) > 20
    address = serve(opened(models, kind, threshold=0))
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda data: json.loads(urlopen(Request(address, data), timeout=60).read()), files))
    assert answers == expected


def most_at_once(predictor, monkeypatch, owner, name):
    """Call the predictor from 4 threads; return how many of them were inside ``owner.name`` at a time."""
    real, inside, most, all_in = getattr(owner, name), [], [0], threading.Event()

    def watched(*arguments, **named):
        inside.append(1)
        most[0] = max(most[0], len(inside))
        if len(inside) == 4:
            all_in.set()
        all_in.wait(0.3)
        try:
            return real(*arguments, **named)
        finally:
            inside.pop()

    monkeypatch.setattr(owner, name, watched)
    image = decode(images(1)[0])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: predictor(image), range(4)))
    return most[0]


@pytest.mark.slow
def test_mindspore_runs_one_call_at_a_time_and_onnx_runtime_all_of_them(models, monkeypatch):
    import onnxruntime

    onnx = opened(models, "onnx")
    assert most_at_once(onnx, monkeypatch, onnxruntime.InferenceSession, "run") == 4
    assert most_at_once(mindpoint.Predictor(models["ckpt"]), monkeypatch, nn.Cell, "set_train") == 1


SCRIPT = """
import multiprocessing, sys
import numpy as np
import mindpoint

image = np.zeros((16, 16, 3), np.uint8)

engine = sys.argv[4]

def child(path, predictor):
    try:
        predictor = predictor or mindpoint.Predictor(path, threshold=0, trust=True, engine=engine)
        print("found", len(predictor(image)), flush=True)
    except mindpoint.errors.MindpointError as error:
        print(type(error).__name__, error, flush=True)

if __name__ == "__main__":
    method, path, shared = sys.argv[1:4]
    predictor = mindpoint.Predictor(path, threshold=0, trust=True, engine=engine)
    predictor(image)
    process = multiprocessing.get_context(method).Process(target=child, args=(path, predictor if shared == "shared" else None))
    process.start()
    process.join(60)
    print("alive" if process.is_alive() else "ended")
    process.kill()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "method, kind, shared, answer",
    [
        ("fork", "ckpt", "shared", "MindpointError MindSpore does not work in a process that was forked"),
        ("fork", "ckpt", "own", "MindpointError MindSpore does not work in a process that was forked"),
        ("fork", "mindir", "shared", "MindpointError MindSpore does not work in a process that was forked"),
        ("spawn", "ckpt", "own", "found "),
        ("fork", "onnx", "shared", "found "),
        ("fork", "openvino", "shared", "found "),
    ],
)
def test_other_processes(models, tmp_path, method, kind, shared, answer):
    if kind == "openvino":
        pytest.importorskip("openvino")
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), method, models[kind], shared, ENGINES.get(kind, "auto")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(HERE)})
    first, second = done.stdout.splitlines()
    assert first.startswith(answer) and second == "ended", done.stdout + done.stderr
    assert answer.startswith("found") or ("spawn" in first and "ONNX" in first)
