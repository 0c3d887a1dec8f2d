"""Converted data: the same samples as from the files, read by MindSpore too, and every kind of damage said."""

import copy
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import cv2
import mindspore.dataset as de
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.contracts.data import Dataset
from mindpoint.contracts.fields import Angles, Field, Rasters
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.data.build import build_dataset, build_metric, build_samples
from mindpoint.data.loader import Loader
from mindpoint.errors import DataError, OutputError
from mindpoint_coco.datasets import mindrecord_writer
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.datasets.mindrecord import MindRecordDataset
from mindpoint_coco.datasets.mindrecord_columns import MANIFEST, file_hash, manifest_hash
from mindpoint_coco.datasets.mindrecord_file import unpack_whole
from mindpoint_coco.datasets.mindrecord_writer import convert
from mindpoint_coco.keypoints import Keypoints
from mindpoint_synthetic.people import SyntheticPeople

POOR = Path(__file__).resolve().parents[1] / "fixtures" / "poor_file_system.c"
TOOL = Path(__file__).resolve().parents[2] / "tools" / "convert_dataset.py"
CLASSES = ["person", "ape"]
NAMES = ["nose", "left_wrist", "right_wrist"]
KEYPOINTS = Keypoints(NAMES)
COUNT = 11


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A COCO-style set: images of several sizes, the third without objects, crowds, two classes, fractions, ids beyond 32 bits."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "images" / "inner").mkdir(parents=True)
    people = SyntheticPeople(COUNT, 3, CLASSES, KEYPOINTS, [96, 128], [1, 3])
    content = people.ground_truth()
    content["annotations"] = [record for record in content["annotations"] if record["image_id"] != 3]
    for number, record in enumerate(content["annotations"]):
        record["id"] = 900_100_002_299 - number
        record["keypoints"][0] += 1 / 3
        record["area"] /= 7
        record["iscrowd"] = int(number % 4 == 1)
        record["category_id"] = 1 + number % 2
    for record in content["images"]:
        image = people[record["id"] - 1].image[: 96 - record["id"], : 128 - 2 * record["id"]]
        record.update(height=image.shape[0], width=image.shape[1], id=record["id"] + 7_000_000_000, file_name=f"inner/é {record['id']}.jpg")
        cv2.imwrite(str(folder / "images" / record["file_name"]), image)
    for record in content["annotations"]:
        record["image_id"] += 7_000_000_000
    content["images"] = content["images"][::-1]
    (folder / "people.json").write_text(json.dumps(content))
    return folder


def from_files(source, **arguments):
    return CocoDataset(str(source / "people.json"), str(source / "images"), arguments.pop("classes", CLASSES), KEYPOINTS, **arguments)


def from_records(folder, **arguments):
    return MindRecordDataset(str(folder), arguments.pop("classes", CLASSES), KEYPOINTS, **arguments)


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory):
    """The set converted; not to be changed."""
    folder = tmp_path_factory.mktemp("converted") / "train"
    convert(from_files(source), folder, 3, False)
    return folder


@pytest.fixture
def copied(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "elsewhere"))


def assert_same(first, second):
    assert first.image_id == second.image_id
    np.testing.assert_array_equal(first.image, second.image)
    for name in ("boxes", "keypoints", "labels", "areas", "crowd"):
        a, b = getattr(first.objects, name), getattr(second.objects, name)
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("lacking", ["locks", "permissions", "locks and permissions"])
def test_a_poor_file_system_takes_converted_data(source, whole, tmp_path, lacking):
    library = tmp_path / "poor.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(POOR), "-ldl"], check=True, timeout=60)
    (tmp_path / "poor").mkdir()
    code = f"""
from pathlib import Path
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.datasets.mindrecord_writer import convert
from mindpoint_coco.keypoints import Keypoints
source = Path({str(source)!r})
data = CocoDataset(str(source / "people.json"), str(source / "images"), {CLASSES!r}, Keypoints({NAMES!r}))
convert(data, Path({str(tmp_path / "poor" / "train")!r}), 3, False)
"""
    environment = {**os.environ, "LD_PRELOAD": str(library), "POOR": lacking, "POOR_ROOT": str(tmp_path / "poor")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    records, expected = from_records(tmp_path / "poor" / "train"), from_records(whole)
    for index in range(len(expected)):
        assert_same(records[index], expected[index])
    assert not any(records.damage()) and os.listdir(tmp_path / "poor") == ["train"]


@pytest.mark.parametrize(
    "choice",
    [{}, {"classes": ["ape"]}, {"classes": ["ape", "person"], "with_objects": True}, {"classes": ["ape"], "with_objects": True}],
    ids=["all", "one class", "other order", "one class, populated"],
)
def test_samples_are_those_of_the_files(source, whole, choice):
    files, records = from_files(source, **dict(choice)), from_records(whole, **dict(choice))
    assert len(files) == len(records) > 3
    for index in range(len(files)):
        assert_same(files[index], records[index])
        assert len(records.objects(index)) == len(files.objects(index))
    in_order = lambda content: {**content, "annotations": sorted(content["annotations"], key=lambda record: record["id"])}  # noqa: E731
    truth, again = in_order(files.ground_truth()), in_order(records.ground_truth())
    assert again == truth
    assert str(files).partition(": ")[2] == str(records).partition(": ")[2] and files.name == records.name == "people"


def test_images_are_converted_at_their_size_whatever_training_makes_of_them(source, tmp_path):
    convert(from_files(source, reduce_to=32), tmp_path / "out", 2, False)
    for reduce_to in (None, 32):
        files, records = from_files(source, reduce_to=reduce_to), from_records(tmp_path / "out", reduce_to=reduce_to)
        for index in (0, 5):
            assert_same(files[index], records[index])


def test_chosen_images(source, whole):
    ids = [7_000_000_005, 7_000_000_002]
    assert [from_records(whole, image_ids=ids)[index].image_id for index in range(2)] == ids
    with pytest.raises(DataError, match="1 of 1 ids of 'image_ids' are not among its 11 images: 4"):
        from_records(whole, image_ids=[4])


def test_threads_and_processes_share_it(whole):
    records = pickle.loads(pickle.dumps(from_records(whole)))
    with ThreadPoolExecutor(4) as pool:
        samples = list(pool.map(records.__getitem__, list(range(COUNT)) * 12))
    for number, sample in enumerate(samples):
        assert_same(sample, samples[number % COUNT])


def test_bytes_are_untouched_and_mindspore_reads_them(source, whole):
    files = from_files(source)
    paths = [str(whole / name) for name in json.loads((whole / MANIFEST).read_text())["files"] if not name.endswith(".db")]
    assert len(paths) == 3
    rows = {int(row["position"]): row for row in de.MindDataset(paths, shuffle=False).create_dict_iterator(num_epochs=1, output_numpy=True)}
    assert sorted(rows) == list(range(COUNT))
    for index, row in rows.items():
        objects, count = files.objects(index), int(row["objects"])
        assert row["image"].tobytes() == (source / "images" / str(row["file_name"])).read_bytes()
        assert int(row["image_id"]) == files.image_ids[index] and count == len(objects)
        assert row["keypoints"].dtype == np.float64 and row["keypoints"].shape == (max(1, count), 3, 3)
        np.testing.assert_array_equal(row["keypoints"][:count].astype(np.float32), objects.keypoints)
        np.testing.assert_array_equal(row["crowd"][:count], objects.crowd)
        np.testing.assert_array_equal(row["category_ids"][:count], objects.labels + 1)
    one = de.MindDataset(paths[0], shuffle=False)  # MindSpore finds the others by their names
    assert one.get_dataset_size() == COUNT


def test_packed_whole_numbers():
    # 5 numbers of 1, 2, 4, 8 and 1 bytes: two bits each are 0, 1, 2, 3 and 0
    packed = (
        bytes([0, 0, 0, 5, 0b00011011, 0]) + b"\xff" + b"\x00\x01" + b"\x00\x00\x01\x00" + b"\x00\x00\x00\x00\x01\x00\x00\x00" + b"\x07"
    )
    assert unpack_whole(packed, np.int64).tolist() == [-1, 256, 65536, 2**32, 7]
    assert unpack_whole(bytes(4), np.int32).shape == (0,)


@pytest.fixture
def configs(source, whole, tmp_path):
    """The same training from files, and with one line changed from records."""
    lines = [
        "_base_: resnet18_dcn_coco.yaml",
        "classes: [person, ape]",
        f"keypoints: {{_replace_: true, names: {NAMES}}}",
        "input: {size: [64, 64]}",
        "data:",
        "  train:",
        f"    dataset: {{annotations: '{source}/people.json', images: '{source}/images', with_objects: false}}",
        "    batch_size: 2",
        f"  val: {{dataset: {{annotations: '{source}/people.json', images: '{source}/images'}}}}",
    ]
    (tmp_path / "files.yaml").write_text("\n".join(lines))
    lines[6] = f"    dataset: {{type: MindRecordDataset, path: '{whole}'}}"
    lines[8] = f"  val: {{dataset: {{type: MindRecordDataset, path: '{whole}'}}}}"
    (tmp_path / "records.yaml").write_text("\n".join(lines))
    return tmp_path / "files.yaml", tmp_path / "records.yaml"


def test_training_sees_the_same_batches(configs):
    """Order, augmentation and targets of two epochs, image by image; from records also in worker processes."""
    epochs = []
    for config in configs:
        samples = build_samples(load_config(str(config)))
        loader = Loader(samples, batch_size=2, workers=2, shuffle=True, processes=config == configs[1])
        epochs.append([[copy.deepcopy(batch) for batch in batches] for batches in loader.epochs(2)])
    assert len(epochs[0]) == 2 and len(epochs[0][0]) == COUNT // 2
    for first, second in zip(sum(epochs[0], []), sum(epochs[1], [])):
        assert first.keys() == second.keys() and len(first) > 10
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


def test_boxes_of_coco_train_alike_from_both(coco_mini, tmp_path):
    """Boxes of 80 classes with crowds, converted by the command: the same samples and targets."""
    annotations = coco_mini / "annotations"
    file = f"annotations: '{annotations}/instances_train2017.json', images: '{coco_mini}/train2017'"
    lines = ["_base_: ctdet_dla34_dcn_coco.yaml", "input: {size: [64, 64]}", f"data: {{train: {{dataset: {{{file}}}}}}}"]
    (tmp_path / "files.yaml").write_text("\n".join(lines))
    assert main(["data", "convert", str(tmp_path / "files.yaml"), "--split", "train", "--shards", "2", "--out", str(tmp_path / "out")]) == 0
    lines[2] = f"data: {{train: {{dataset: {{_replace_: true, type: MindRecordDataset, path: '{tmp_path}/out/train'}}}}}}"
    (tmp_path / "records.yaml").write_text("\n".join(lines))
    first, second = (build_samples(load_config(str(tmp_path / f"{name}.yaml"))) for name in ("files", "records"))
    assert len(first.dataset) == len(second.dataset) == 60
    crowds = 0
    for index in range(0, 60, 3):
        (one, targets, _), (other, others, _) = first.prepare(index), second.prepare(index)
        np.testing.assert_array_equal(one.image, other.image)
        assert one.image_id == other.image_id and targets.keys() == others.keys() >= {"hm", "wh", "reg", "hm_weight"}
        for name in targets:
            np.testing.assert_array_equal(targets[name], others[name])
        crowds += int(one.objects.crowd.sum())
    assert crowds


def test_evaluation_gives_the_same_statistics(configs):
    statistics = []
    for path in configs:
        config = load_config(str(path))
        data = build_dataset(config, "val")
        truth = data.ground_truth()
        results = [
            {
                **{key: record[key] for key in ("image_id", "category_id", "bbox")},
                "score": 1 - 0.01 * n,
                "keypoints": np.array(record["keypoints"]).tolist(),
            }
            for n, record in enumerate(sorted(truth["annotations"], key=lambda record: record["id"])[::2])
        ]
        statistics.append(build_metric(config).evaluate(truth, results, data.image_ids.tolist()))
    assert statistics[0] == pytest.approx(statistics[1], nan_ok=True, abs=0) and 0 < statistics[0]["bbox/AP"] < 1


def flip(path, position):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


def place_of(folder, index, records):
    """A file and where in it the middle of an image's bytes lies."""
    data = records.file_bytes(index)
    middle = data[len(data) // 2 : len(data) // 2 + 40]
    for path in sorted(folder.glob("*.mindrecord?")):
        found = path.read_bytes().find(middle)
        if found >= 0:
            return path, found
    raise AssertionError


def test_a_flipped_bit_in_an_image_is_found_where_it_is(copied):
    path, position = place_of(copied, 4, from_records(copied))
    flip(path, position)
    records = from_records(copied)  # sizes are as they were
    for index in range(COUNT):
        if index != 4:
            records[index]
    with pytest.raises(DataError, match=rf"{path.name}: record \d \(image id 7000000007, inner/é 7.jpg\) is damaged: its checksum differs"):
        records[4]
    damage = [problem for problem in records.damage() if problem]
    assert len(damage) == 2 and path.name in damage[0] and "SHA-256" in damage[0] and "7000000007" in damage[1]


def test_damage_found_in_the_middle_of_an_epoch(copied, configs, caplog):
    """It ends the training, or is left out and said, as configured."""
    flip(*place_of(copied, 4, from_records(copied)))
    named = "image id 7000000007, inner/é 7.jpg"
    for most in (0, 1):
        config = load_config(str(configs[1]), [f"data.train.dataset.path={copied}", f"data.train.max_unreadable={most}"])
        loader = Loader(build_samples(config), batch_size=2, workers=2, shuffle=True, processes=False)
        with nullcontext() if most else pytest.raises(DataError, match=named):
            for batches in loader.epochs(1):
                seen = []
                for batch in batches:
                    loader.leave_out(loader.left_out)  # as the trainer does after every batch
                    seen += batch["image_id"].tolist()
    assert 7_000_000_007 not in seen and len(seen) == 10 and named in caplog.text


def _cut(folder):
    path = folder / "images.mindrecord1"
    os.truncate(path, path.stat().st_size // 2)


def _foreign(folder):
    for path in folder.iterdir():
        path.unlink()
    shutil.copy(__file__, folder / "images.mindrecord0")


def _resized(folder):
    """A file that is no MindRecord, of the right size."""
    path = folder / "images.mindrecord0"
    path.write_bytes(b"\x00" * path.stat().st_size)


def _manifest(change):
    def apply(folder):
        content = json.loads((folder / MANIFEST).read_text())
        change(content)
        content["sha256"] = manifest_hash(content)
        (folder / MANIFEST).write_text(json.dumps(content))

    return apply


@pytest.mark.parametrize(
    "break_it, message",
    [
        (shutil.rmtree, "no such folder; 'path' must be a folder that 'mindpoint data convert' wrote"),
        (_foreign, f"{MANIFEST} is missing, so 'mindpoint data convert' did not finish"),
        (_cut, r"images.mindrecord1: has \d+ bytes instead of \d+"),
        (lambda folder: (folder / "images.mindrecord2").unlink(), "images.mindrecord2: is missing"),
        (lambda folder: (folder / "images.mindrecord2.db").unlink(), "images.mindrecord2.db: is missing"),
        (lambda folder: (_cut(folder), (folder / "images.mindrecord2").unlink()), r"1: has .*\n.*mindrecord2: is missing"),
        (lambda folder: flip(folder / "images.mindrecord0.db", 9000), "images.mindrecord0.db: is damaged: its SHA-256 differs from that"),
        (_resized, "images.mindrecord0: is not a MindRecord file, or its beginning is damaged"),
        (lambda folder: (folder / MANIFEST).write_text('{"format": '), rf"{MANIFEST}:1:12: the manifest is not JSON"),
        (_manifest(lambda content: content.update(format="x")), "is not a manifest of"),
        (_manifest(lambda content: content.update(schema=3)), "has schema 3, but this version reads 1, 2"),
        (_manifest(lambda content: content.pop("files")), "lacks files"),
        (_manifest(lambda content: content.update(images=12)), "lists 12 images, but the index files list 11"),
        (_manifest(lambda content: content["columns"][-2].update(names=NAMES[::-1])), "has the keypoints right_wrist"),
        (_manifest(lambda content: content["categories"].pop()), "lacks the classes ape"),
    ],
    ids=lambda value: value.strip("()?.*")[:30] if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said_when_it_is_opened(copied, break_it, message):
    break_it(copied)
    with pytest.raises(DataError, match=message) as caught:
        from_records(copied)
    assert "elsewhere" in str(caught.value)


def test_the_folder_above_is_no_data_set_but_a_hint(whole):
    with pytest.raises(DataError, match=r"did you mean .*train\?"):
        from_records(whole.parent)


def test_only_converted_data_is_replaced(source, whole, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="manifest.json is missing.*; choose another --out, or remove it"):
            convert(from_files(source), tmp_path / "mine", 1, overwrite)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    copied = Path(shutil.copytree(whole, tmp_path / "train"))
    with pytest.raises(OutputError, match="replace it with --overwrite"):
        convert(from_files(source), copied, 1, False)
    with pytest.raises(DataError, match="Save yourself"):
        broken = from_files(source)
        broken.file_bytes = lambda index: (_ for _ in ()).throw(DataError("Save yourself")) if index else b"x"
        convert(broken, copied, 1, True)
    assert len(from_records(copied)) == COUNT, "what was there stays until the new data is complete"
    convert(from_files(source, image_ids=[7_000_000_002]), copied, 5, True)
    assert len(from_records(copied)) == 1 and sorted(path.name for path in tmp_path.iterdir()) == ["mine", "train"]


def _no_file(data, monkeypatch):
    data._names[6] = "nowhere.jpg"


def _small_pages(data, monkeypatch):
    monkeypatch.setattr(mindrecord_writer, "_LARGEST_PAGE", 1 << 12)


@pytest.mark.parametrize(
    "change, message",
    [(_no_file, r"no such image file \(image id 7000000005"), (_small_pages, "is too large for a MindRecord page")],
)
def test_what_cannot_be_converted_leaves_nothing(source, tmp_path, monkeypatch, change, message):
    data = from_files(source)
    change(data, monkeypatch)
    with pytest.raises(DataError, match=message):
        convert(data, tmp_path / "out", 2, False)
    assert list(tmp_path.iterdir()) == []


def test_only_files_are_converted(tmp_path):
    with pytest.raises(DataError, match="SyntheticPeople: 2 images: its images are not stored in files"):
        convert(SyntheticPeople(2, 3, CLASSES, KEYPOINTS), tmp_path / "out", 2, False)
    assert list(tmp_path.iterdir()) == []


def test_files_of_the_first_schema_are_read(source, copied):
    """They have the columns of today and a manifest with the joints in place of the columns."""

    def first(content):
        for key in ("columns", "name"):
            del content[key]
        source = {"annotations": "somewhere/person_keypoints_old.json", "images": "somewhere"}
        content.update(format="mindpoint keypoints", schema=1, keypoints=NAMES, source=source)

    _manifest(first)(copied)
    records, files = from_records(copied), from_files(source)
    assert records.name == "old"
    for index in range(COUNT):
        assert_same(records[index], files[index])
    _manifest(lambda content: content.update(keypoints=NAMES[::-1]))(copied)
    with pytest.raises(DataError, match="has the keypoints right_wrist, left_wrist, nose, but the configuration has nose"):
        from_records(copied)


class Turned(Dataset):
    """A data set of somebody else's: no annotation file, boxes with a direction and a track number, ids in no order."""

    fields = (Angles("turn"), Field("track", (2,), "int64"), Field("occluded", (), "bool"), Field("size", (1, 2), "float64"))
    classes = ["cup", "pan"]
    name = "turned"

    def __init__(self):
        self.files = [cv2.imencode(".png", np.full((20 + n, 30, 3), 40 * n, np.uint8))[1].tobytes() for n in range(4)]

    def __len__(self):
        return 4

    def ids(self):
        return [44, 7, 19, 3]

    def file_bytes(self, index):
        return self.files[index]

    def category_ids(self):
        return [9, 2]

    def __getitem__(self, index):
        image = cv2.imdecode(np.frombuffer(self.files[index], np.uint8), cv2.IMREAD_COLOR)
        count = index % 3  # the first and the last image are empty
        boxes = np.array([[1 + n, 2, 10, 12.3] for n in range(count)], np.float32).reshape(-1, 4)
        values = {
            "turn": np.array([0.1 + n - index for n in range(count)], np.float32),
            "track": np.array([[n, -(2**40)] for n in range(count)], np.int64).reshape(-1, 2),
            "occluded": np.arange(count) == 1,
            "size": np.array([[[n / 3, 1e300]] for n in range(count)], np.float64).reshape(-1, 1, 2),
        }
        return Sample(self.ids()[index], "x", image, Objects(boxes, np.arange(count) % 2, fields=self.fields, values=values))


def test_any_data_set_with_files_and_fields(tmp_path):
    theirs = Turned()
    convert(theirs, tmp_path / "out", 2, False)
    declared = {"turn": "Angles", "track": Turned.fields[1], "occluded": Turned.fields[2], "size": Turned.fields[3]}
    records = MindRecordDataset(str(tmp_path / "out"), ["cup", "pan"], fields=declared)
    assert records.ids() == theirs.ids() and records.name == "turned" and records.category_ids() == [9, 2]
    for index in range(4):
        ours, original = records[index], theirs[index]
        np.testing.assert_array_equal(ours.image, original.image)
        for name, values in original.objects.values.items():
            assert ours.objects.values[name].dtype == values.dtype
            np.testing.assert_array_equal(ours.objects.values[name], values, err_msg=name)
        assert records.file_bytes(index) == theirs.files[index] and records.image_size(index) == (20 + index, 30)
    said = {record["id"]: record for record in theirs.ground_truth()["annotations"]}
    for record in records.ground_truth()["annotations"]:
        assert record == said[record["id"]]
    again = tmp_path / "again"
    convert(records, again, 1, False)  # converted data is data with files too
    some = MindRecordDataset(str(again), ["pan"], fields={"turn": "Angles"})
    assert some.objects(2).turn.tolist() == theirs[2].objects.turn[1:].tolist() and list(some.objects(2).values)[-1] == "turn"


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"depth": "Field"}, "lacks 'depth'"),
        ({"track": "Field"}, "has 'track' as int64 of shape .2., but the configuration declares float64 of shape .."),
    ],
)
def test_other_fields_than_converted(tmp_path, fields, message):
    convert(Turned(), tmp_path / "out", 1, False)
    with pytest.raises(DataError, match=message):
        MindRecordDataset(str(tmp_path / "out"), ["cup"], fields=fields)


def test_fields_that_cannot_be_stored(tmp_path):
    open_size, taken = Turned(), Turned()
    open_size.fields, taken.fields = (Rasters("mask", (None, None)),), (Field("position"),)
    with pytest.raises(DataError, match="field 'mask' cannot be stored in MindRecord files: its shape .* is not fixed"):
        convert(open_size, tmp_path / "out", 1, False)
    with pytest.raises(DataError, match="field 'position' cannot be stored in MindRecord files: its name is taken"):
        convert(taken, tmp_path / "out", 1, False)


@pytest.mark.slow
def test_command_and_tool(configs, tmp_path, capsys):
    files, records = map(str, configs)
    out = tmp_path / "out"
    tool = subprocess.run([sys.executable, str(TOOL), files, "--out", str(out), "--shards", "2"], capture_output=True, text=True)
    assert tool.returncode == 0, tool.stderr
    assert f"dataset: {{type: MindRecordDataset, path: {out}/val}}" in tool.stdout and "11 images with" in tool.stdout
    assert len(list((out / "train").glob("*.db"))) == 2
    assert main(["data", "convert", files, "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["data", "convert", files, "--out", str(out), "--verify"]) == 0
    assert main(["data", "convert", records, "--verify", "--split", "train"]) == 0
    assert main(["data", "convert", files, "--out", "nowhere", "--verify"]) == 2
    assert capsys.readouterr().err.startswith("mindpoint: error: nowhere/train: no such folder")
    assert main(["data", "convert", records, "--verify", "--split", "train"]) == 0
    assert "11 images match their checksums" in capsys.readouterr().out
    flip(*place_of(out / "val", 2, from_records(out / "val")))
    assert main(["data", "convert", files, "--out", str(out), "--verify", "--split", "val"]) == 2
    assert "7000000009" in capsys.readouterr().err
    before = file_hash(str(out / "val" / "images.mindrecord0"))
    assert main(["data", "convert", files, "--out", str(out), "--overwrite", "--split", "val"]) == 0
    assert len(from_records(out / "val")) == COUNT and file_hash(str(out / "val" / "images.mindrecord0")) != before
    assert main(["data", "convert", records, "--out", str(tmp_path / "again"), "--split", "train"]) == 0
    assert_same(from_records(tmp_path / "again" / "train")[2], from_records(out / "train")[2])


KILLED = """
import sys, time
from mindpoint_coco.datasets import mindrecord_writer as writer
from mindpoint_coco.datasets.coco import CocoDataset
writer._CHUNK = 0  # each image is written at once, so that files are there while others are still to come
read = CocoDataset.file_bytes
CocoDataset.file_bytes = lambda data, index: (time.sleep(0.2), read(data, index))[1]
from mindpoint.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_killed_and_interrupted(configs, tmp_path):
    """A conversion slowed down and killed leaves a hidden folder that the next one removes; Ctrl-C leaves nothing."""
    out = tmp_path / "out"
    for sent, left in ((signal.SIGINT, 0), (signal.SIGKILL, 1)):
        command = [sys.executable, "-c", KILLED, "data", "convert", str(configs[0]), "--out", str(out), "--split", "val"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not list(out.glob(f".val.{process.pid}-*.tmp/*")) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(sent)
        assert process.wait(60) == (-9 if sent == signal.SIGKILL else 130)
        assert not (out / "val").exists()
        assert len(list(out.glob(".val.*.tmp"))) == left
    with pytest.raises(DataError, match=f"{MANIFEST} is missing"):
        from_records(next(out.glob(".val.*.tmp")))
    done = subprocess.run([sys.executable, str(TOOL), str(configs[0]), "--out", str(out), "--split", "val"], capture_output=True, text=True)
    assert done.returncode == 0 and [path.name for path in out.iterdir()] == ["val"]
    assert len(from_records(out / "val")) == COUNT


def test_full_disk(source, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True).returncode == 0
    if not mounted:
        pytest.skip("only root may mount a disk")
    try:
        with pytest.raises(OutputError, match=r"MindSpore cannot write it \(\d MB are free there\)"):
            convert(from_files(source), disk / "out", 2, False)
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_files_of_another_prefix_and_a_published_folder(coco_mini, tmp_path, capsys):
    command = [
        "data",
        "convert",
        "dla34_coco_modelzoo",
        "--coco",
        str(coco_mini),
        "--split",
        "val",
        "--shards",
        "2",
        "--out",
        str(tmp_path),
    ]
    assert main([*command, "--prefix", "coco/hp"]) == 2
    assert "--prefix: 'coco/hp' is not a valid prefix of file names" in capsys.readouterr().err
    assert main([*command, "--prefix", "coco_hp.val.mind"]) == 0
    assert sorted(path.name for path in (tmp_path / "val").iterdir() if not path.name.endswith((".db", ".json"))) == [
        "coco_hp.val.mind0",
        "coco_hp.val.mind1",
    ]
    read = MindRecordDataset(str(tmp_path / "val"), ["person"])
    assert set(read.ids()) == {
        record["id"] for record in json.loads((coco_mini / "annotations/person_keypoints_val2017.json").read_text())["images"]
    }
