"""mindpoint data browse: what is drawn lies where the annotations are."""

import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.data.build import build_samples
from mindpoint.visual.objects import ObjectVisualizer
from mindpoint_coco.data_command.sheet import annotated, learnt

TARGETS = "data.train.targets={_replace_: true, type: 'browse_toys:Shades'}"
SMALL = ["input.size=[128, 128]", "data.train.dataset.count=6", "data.val.dataset.count=2", TARGETS]
SET = [part for value in SMALL for part in ("--set", value)]


@pytest.fixture(scope="module")
def config():
    return load_config("quickstart", SMALL)


@pytest.fixture(scope="module")
def samples(config):
    return build_samples(config)


def near(picture, place, color, radius=6, tolerance=60):
    """Return whether a pixel of about that colour is near a position."""
    x, y = map(int, place)
    part = picture[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1].astype(int)
    return (np.abs(part - color).max(axis=2) < tolerance).any()


def test_sides_keep_their_colours_in_the_mirrored_copy(samples, config):
    sample = samples.dataset[0]
    (caption, plain), (_, mirrored) = annotated(sample, ObjectVisualizer(config.classes)).items()
    assert caption == "annotated: first of a pair orange, second blue"
    names = sample.objects.fields[0].names
    scale = len(plain) / 192
    orange, blue = (0, 140, 255), (255, 120, 0)
    for person in sample.objects.keypoints:
        for name, mine, other in (("left_wrist", orange, blue), ("right_ankle", blue, orange)):
            x, y, visibility = person[names.index(name)]
            if visibility > 0 and 3 < x < 188 and 3 < y < 188:
                assert near(plain, (x * scale, y * scale), mine, 3)
                # what was a left wrist is a right one in the mirrored image
                assert near(mirrored, ((191 - x) * scale, y * scale), other, 3)


def test_pictures_are_those_of_the_encoder(samples):
    seen, targets, _ = samples.prepare(1)
    pictures, details = learnt(seen, targets, samples.encoder, True)
    assert list(pictures) == ["network input", "mean of the image"] and list(details) == ["red"]
    assert {picture.shape for picture in pictures.values()} == {(480, 480, 3)} and details["red"].shape == (160, 160, 3)
    assert (pictures["mean of the image"] == int(seen.image.mean())).all()
    assert learnt(seen, targets, samples.encoder, False)[1] == {}


def test_boxes_have_the_names_of_their_classes():
    """No joints: the colours of the classes, and nothing is said of pairs."""
    image = np.zeros((100, 200, 3), np.uint8)
    objects = Objects(np.array([[20, 30, 90, 80]], np.float32), np.array([1]))
    red, green = ((0, 0, 255), (0, 255, 0))
    visualizer = ObjectVisualizer(["cat", "dog"], colors={"cat": green, "dog": red})
    (caption, plain), (other, mirrored) = annotated(Sample(1, "x", image, objects), visualizer).items()
    assert (caption, other) == ("annotated", "mirrored") and plain.shape == (480, 960, 3)
    assert near(plain, (20 * 4.8, 70 * 4.8), red, 3) and near(mirrored, (179 * 4.8, 70 * 4.8), red, 3)
    assert not near(mirrored, (20 * 4.8, 70 * 4.8), red, 3)


def test_files(tmp_path, capsys):
    out = tmp_path / "out"
    assert (
        main(["data", "browse", "quickstart", *SET, "--split", "train", "--count", "3", "--start", "4", "--details", "--out", str(out)])
        == 0
    )
    assert "2 images" in capsys.readouterr().out
    names = sorted(path.name for path in out.iterdir())
    assert names == [f"train-00000{n}-{n + 1}{kind}.jpg" for n in (4, 5) for kind in ("-details", "")]
    assert all(cv2.imread(str(path)) is not None for path in out.iterdir())
    assert main(["data", "browse", "quickstart", *SET, "--split", "val", "--out", str(tmp_path / "val")]) == 0
    assert len(list((tmp_path / "val").iterdir())) == 2
    assert main(["data", "browse", "quickstart", *SET, "--split", "val", "--out", str(out)]) == 2
    assert "is not an empty folder" in capsys.readouterr().err


class _Images(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.sources, self.captions = [], [], []

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.sources.append(dict(attributes)["src"])
        elif tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] == ["figcaption"]:
            self.captions.append(data)


def test_page_holds_everything(tmp_path, capsys):
    path = tmp_path / "page.html"
    arguments = [
        "data",
        "browse",
        "quickstart",
        *SET,
        "--count",
        "2",
        "--split",
        "train",
        "--split",
        "val",
        "--details",
        "--html",
        str(path),
    ]
    assert main(arguments) == 0
    text, parser = path.read_text(encoding="utf-8"), _Images()
    parser.feed(text)
    assert parser.open == [] and len(parser.sources) == len(parser.captions) == 2 * (2 + 2 + 1) + 2 * 2
    for source in parser.sources:
        data = base64.b64decode(source.removeprefix("data:image/jpeg;base64,"), validate=True)
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None
    assert not re.search(r'(src|href)="(?!data:)|url\(|<script|https?:', text)
    assert "window of 192 px around (96, 96)" in text
    assert main(arguments) == 2 and "page.html: exists" in capsys.readouterr().err


def test_augmentation_is_that_of_the_epoch(tmp_path):
    augmented = [*SET, "--set", "+data.train.transforms.view.shift=0.1", "--set", "data.train.transforms.view.mode=shift", "--count", "1"]
    for name, epoch in (("a", "0"), ("b", "0"), ("c", "1")):
        assert main(["data", "browse", "quickstart", *augmented, "--epoch", epoch, "--out", str(tmp_path / name)]) == 0
    a, b, c = ((tmp_path / name / "train-000000-1.jpg").read_bytes() for name in "abc")
    assert a == b != c


def test_annotation_files_and_ids(tmp_path, capsys):
    assert main(["synthesize", str(tmp_path / "set"), "--count", "3", "--size", "64", "64", "--quality", "90"]) == 0
    annotations, images = str(tmp_path / "set/annotations/person_keypoints_synthetic.json"), str(tmp_path / "set/images")
    browse = ["data", "browse", annotations, "--images", images]
    assert main([*browse, "--id", "3", "--id", "1", "--out", str(tmp_path / "out")]) == 0
    assert sorted(path.name[-12:] for path in (tmp_path / "out").iterdir()) == ["000000-1.jpg", "000002-3.jpg"]
    for arguments, message in (
        (["--id", "9"], "--id: 9 is not in"),
        (["--start", "3"], "--start: 3 is beyond the 3 images"),
        (["--count", "0"], "--count must be at least 1"),
    ):
        assert main([*browse, *arguments, "--out", str(tmp_path / "no")]) == 2
        assert message in capsys.readouterr().err and not (tmp_path / "no").exists()


def test_an_instances_file(tmp_path):
    """Boxes of several classes; no configuration."""
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((50, 60, 3), np.uint8))
    annotation = {"id": 1, "image_id": 8, "category_id": 18, "bbox": [5, 5, 20, 20]}
    categories = [{"id": 3, "name": "cat"}, {"id": 18, "name": "dog"}]
    images = [{"id": 8, "file_name": "a.png", "width": 60, "height": 50}]
    (tmp_path / "instances.json").write_text(json.dumps({"images": images, "annotations": [annotation], "categories": categories}))
    browse = ["data", "browse", str(tmp_path / "instances.json"), "--images", str(tmp_path), "--html", str(tmp_path / "page.html")]
    assert main([*browse, "--id", "8"]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "<figcaption>annotated</figcaption>" in page and "orange" not in page


def test_help_imports_nothing_heavy():
    code = "import sys; from mindpoint_coco.data_command.command import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([name for name in ('mindspore', 'cv2', 'matplotlib', 'numpy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "browse" in done.stdout and done.stdout.splitlines()[-1] == "[]"
