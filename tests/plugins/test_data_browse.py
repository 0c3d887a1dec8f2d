"""mindpoint data browse: what is drawn lies where the annotations are."""

import base64
import re
import subprocess
import sys
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.data.build import build_samples
from mindpoint_coco.data_command.sheet import annotated, learnt, regressed, single_joints

SMALL = ["input.size=[128, 128]", "data.train.dataset.count=6", "data.val.dataset.count=2"]
SET = [part for value in SMALL for part in ("--set", value)]


@pytest.fixture(scope="module")
def config():
    return load_config("quickstart", SMALL)


@pytest.fixture(scope="module")
def samples(config):
    return build_samples(config)


def near(picture, place, color, radius=6, tolerance=60):
    """Whether a pixel of about that colour lies around the place."""
    x, y = map(int, place)
    part = picture[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1].astype(int)
    return (np.abs(part - color).max(axis=2) < tolerance).any()


def test_targets_lead_back_to_the_annotations(samples):
    """The whole image of 192 pixels on a raster of 128."""
    for index in range(len(samples)):
        seen, targets, _ = samples.prepare(index)
        objects = regressed(targets, samples.encoder.stride, 17)
        limit = 128 - samples.encoder.stride  # boxes are clipped to the last map pixel
        np.testing.assert_allclose(objects.boxes, np.clip(seen.objects.boxes * 128 / 192, 0, limit), atol=0.01)
        labelled = seen.objects.keypoints[..., 2] > 0
        inside = labelled & (seen.objects.keypoints[..., :2] >= 0).all(2) & (seen.objects.keypoints[..., :2] < 192).all(2)
        assert ((objects.keypoints[..., 2] > 0) == inside).all()
        np.testing.assert_allclose(objects.keypoints[inside][:, :2], seen.objects.keypoints[inside][:, :2] * 128 / 192, atol=0.01)


def test_sides_keep_their_colours_in_the_mirrored_copy(samples, config):
    sample = samples.dataset[0]
    (_, plain), (_, mirrored) = annotated(sample, config.keypoints).items()
    scale = len(plain) / 192
    orange, blue = (0, 140, 255), (255, 120, 0)
    for person in sample.objects.keypoints:
        for name, mine, other in (("left_wrist", orange, blue), ("right_ankle", blue, orange)):
            x, y, visibility = person[config.keypoints.names.index(name)]
            if visibility > 0 and 3 < x < 188 and 3 < y < 188:
                assert near(plain, (x * scale, y * scale), mine, 3)
                # what was a left wrist is a right one in the mirrored image
                assert near(mirrored, ((191 - x) * scale, y * scale), other, 3)


def test_heatmaps_shine_where_the_joints_are(samples, config):
    seen, targets, _ = samples.prepare(1)
    pictures = learnt(seen, targets, samples.encoder.stride, config.keypoints)
    assert list(pictures) == ["network input", "boxes and joints to regress", "centre heatmap", "joint heatmaps and offsets"]
    assert {picture.shape for picture in pictures.values()} == {(480, 480, 3)}
    joints = single_joints(seen, targets, config.keypoints)
    assert list(joints) == list(config.keypoints.names)
    for name, (x, y, visibility) in zip(joints, seen.objects.keypoints[0]):
        x, y = x * 160 / 192, y * 160 / 192
        if visibility > 0 and 0 <= x < 160 and 0 <= y < 160:
            assert near(joints[name], (x, y), (40, 255, 255), 3, 50), name
    box = seen.objects.boxes[0]
    assert near(pictures["centre heatmap"], ((box[0] + box[2]) / 2 * 2.5, (box[1] + box[3]) / 2 * 2.5), (80, 220, 80), 12, 40)


def test_ignored_areas_are_shown(config):
    samples = build_samples(load_config("quickstart", [*SMALL, "+data.train.targets.unlabelled=ignore"]))
    seen, targets, _ = samples.prepare(0)
    assert "ignored: grey" in learnt(seen, targets, 4, config.keypoints)
    assert list(learnt(seen, {}, 4, config.keypoints)) == ["network input"], "targets of other encoders"


def test_files(tmp_path, capsys):
    out = tmp_path / "out"
    assert (
        main(["data", "browse", "quickstart", *SET, "--split", "train", "--count", "3", "--start", "4", "--joints", "--out", str(out)]) == 0
    )
    assert "2 images" in capsys.readouterr().out
    names = sorted(path.name for path in out.iterdir())
    assert names == [f"train-00000{n}-{n + 1}{kind}.jpg" for n in (4, 5) for kind in ("-joints", "")]
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
        elif tag != "meta":
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
        "--joints",
        "--html",
        str(path),
    ]
    assert main(arguments) == 0
    text, parser = path.read_text(encoding="utf-8"), _Images()
    parser.feed(text)
    assert parser.open == [] and len(parser.sources) == len(parser.captions) == 2 * (2 + 4 + 17) + 2 * 2
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


def test_help_imports_nothing_heavy():
    code = "import sys; from mindpoint_coco.data_command.command import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([name for name in ('mindspore', 'cv2', 'matplotlib', 'numpy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "browse" in done.stdout and done.stdout.splitlines()[-1] == "[]"
