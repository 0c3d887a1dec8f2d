"""Official weights to checkpoints and back, from the command line's functions."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from mindpoint.config import Config, load_config, shipped
from mindpoint.config.files import shipped_folder
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Head
from mindpoint.errors import MindpointError, OutputError, WeightsError
from mindpoint.inference.open import open_model
from mindpoint.model import checkpoint
from mindpoint.model.network import build_network
from mindpoint.model.translate import initial_arrays, read_state, recognize, recognize_ours
from mindpoint.model.weights import load_arrays, load_initial
from mindpoint.registry import registry
from mindpoint.runtime import device
from mindpoint.storage.torch_file import read_torch_file, write_torch_file
from mindpoint_centernet.layers import conv
from mindpoint_centernet.weights import convert
from mindpoint_centernet.weights.command import main
from mindpoint_centernet.weights.dla import DLARules
from mindpoint_centernet.weights.resnet import ResNetRules
from mindpoint_coco.importers.form import Kind
from mindpoint_parity.seeded import golden_state, seeded_state
from mindpoint_recipes.network import plan_network
from mindpoint_recipes.plan import Plan
from mindpoint_recipes.text import configuration
from mindspore import nn
from mindspore.nn.utils import no_init_parameters

SLIM = {
    "input": {"size": [64, 64]},
    "model": {"backbone": {"channels": [4, 4, 8, 8, 12, 16]}, "heads": {"pose": {"head_conv": 8}}},
}


def official(base, changes):
    """A seeded state of the network of a shipped configuration with changes."""
    device.setup("auto", 0)
    text = json.dumps({"_base_": str(shipped()[Path(base).stem]), **changes})
    with no_init_parameters():
        return seeded_state(
            (name, value.shape) for name, value in official_shapes(build_network(Config.from_text(text, "test", trusted=True))).items()
        )


def official_shapes(network):
    """Arrays of the right names and shapes, without numbers."""
    arrays = {name: np.broadcast_to(np.float32(0), value.shape) for name, value in network.parameters_dict().items()}
    return recognize_ours(arrays, "x").state


@pytest.fixture(scope="module")
def slim():
    return official("dla34_dcn_coco", SLIM)


@pytest.fixture
def file(tmp_path):
    def write(state):
        write_torch_file(tmp_path / "x.pth", state)
        return str(tmp_path / "x.pth")

    return write


def save(torch, path, state, zip_format):
    tensors = {f"module.{name}": torch.from_numpy(np.array(value)) for name, value in state.items()}
    torch.save({"epoch": 320, "state_dict": tensors}, path, _use_new_zipfile_serialization=zip_format)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["legacy", "zip"])
def test_official_dla_34_gives_the_official_outputs(tmp_path, golden, kind):
    """The seeded file in each format -> checkpoint -> network of the configuration that it carries: the golden maps, and back again."""
    state = golden_state(golden)
    save(pytest.importorskip("torch"), tmp_path / "x.pth", state, kind == "zip")
    found, count, whole = convert.convert(str(tmp_path / "x.pth"), str(tmp_path / "x.ckpt"))
    heads = "hm 1, wh 2, hps 34, reg 2, hm_hp 17, hp_offset 2"
    assert (str(found), count, whole) == (f"dla_34, head_conv 256, heads {heads}", 345, True)
    assert found.usage == "multi_pose --arch dla_34 --head_conv 256 --load_model {file}"
    arrays = checkpoint.load(tmp_path / "x.ckpt").arrays
    np.testing.assert_array_equal(arrays["backbone.level5.root.bn.moving_mean"], state["base.level5.root.bn.running_mean"])
    if kind != "legacy":
        return
    convert.convert_back(str(tmp_path / "x.ckpt"), str(tmp_path / "back.pth"))
    back = read_state(tmp_path / "back.pth")
    listed = json.loads((golden / "official_state_dict.json").read_text())["params"]
    assert {name: list(value.shape) for name, value in back.items()} == dict(listed)
    unused = {name for name in back if not np.array_equal(back[name], state[name])}
    assert {name.split(".project.")[0] for name in unused} == {"base.level3", "base.level4"}
    expected = dict(np.load(golden / "network.npz"))
    image = np.random.Generator(np.random.PCG64(expected.pop("seed").tolist())).standard_normal((1, 3, 256, 256)).astype(np.float32)
    model = open_model(str(tmp_path / "x.ckpt"))
    for name, value in model.detector.detect.forward({"image": image}).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-3)
    assert len(model.config.vocabulary["keypoints"]) == 17 and model.config.section("test").resolution == "keep"


@pytest.mark.parametrize("depth", [18, 50, 101, 152])
def test_resdcn_is_recognised_by_names_and_shapes(depth):
    with no_init_parameters():
        network = build_network(load_config("resnet18_dcn_coco", [f"model.backbone.depth={depth}"]))
    state = official_shapes(network)
    found = recognize(state, "x").weights
    model = found.config["model"]
    assert (found.name, model["heads"]["pose"]["head_conv"]) == (f"resdcn_{depth}", 64)
    assert model["neck"] == {"type": "Deconv", "conv": "deformable", "channels": [256, 128, 64]}
    assert Config.from_text(json.dumps(found.config), "x", trusted=True).data["model"]["backbone"] == {"type": "ResNet", "depth": depth}
    bare = {name: value for name, value in state.items() if name.startswith(("conv1", "bn1", "layer"))}
    assert str(recognize({**bare, "fc.weight": np.zeros(1)}, "x").weights) == f"ResNet-{depth} without heads"


@pytest.mark.slow
@pytest.mark.parametrize("neck", ["deformable", "plain"])
def test_resnet_round_trip_and_reference(tmp_path, file, neck):
    """``res`` and ``resdcn`` against the network in PyTorch, on random numbers and on an image; a head of a single convolution."""
    pytest.importorskip("torch")
    changes = {"input": {"size": [64, 64]}, "model": {"neck": {"conv": neck}, "heads": {"pose": {"head_conv": 0, "reg": False}}}}
    source = file(official("resnet18_dcn_coco", changes))
    assert main(["convert", source, str(tmp_path / "x.ckpt"), "--verify"]) == 0
    assert main(["to-official", str(tmp_path / "x.ckpt"), str(tmp_path / "back.pth")]) == 0
    first, second = read_state(Path(source)), read_state(tmp_path / "back.pth")
    assert sorted(first) == sorted(second) and all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_verification_compares_with_pytorch(tmp_path, file, slim, capsys):
    """It passes for what was converted and falls short for other weights."""
    pytest.importorskip("torch")
    out = str(tmp_path / "x.ckpt")
    assert main(["convert", file(slim), out]) == 0
    assert main(["to-official", out, str(tmp_path / "back.pth"), "--verify"]) == 0
    assert "12 of 12 comparisons pass" in capsys.readouterr().out
    from mindpoint_centernet.weights.verify import verify

    mixed = {name: value[:, ::-1] if name.endswith("proj_1.conv.conv_offset_mask.weight") else value for name, value in slim.items()}
    assert not all(row.passed for row in verify(open_model(out), recognize(mixed, "x"), None))


@pytest.mark.slow
def test_verification_judges_what_the_official_network_gives(tmp_path, file, slim, monkeypatch, capsys):
    """Without PyTorch: maps that are ours pass, one that is a thousandth off does not."""
    from mindpoint_centernet.weights import verify

    out = str(tmp_path / "x.ckpt")
    convert.convert(file(slim), out)
    model = open_model(out)
    for factor, failing in ((1.0, set()), (1.001, {"wh"})):

        def official(rules, state, images, factor=factor):
            assert images.shape == (1, 3, 128, 128) and "base.level5.root.conv.weight" in state
            return {
                name: values * (factor if name == "wh" else 1) for name, values in model.detector.detect.forward({"image": images}).items()
            }

        monkeypatch.setattr(DLARules, "reference_outputs", official)
        rows = verify.verify(model, recognize(slim, "x"), None)
        assert {row.area for row in rows} == {"random input", "real input"} and len(rows) == 12
        assert {row.case for row in rows if not row.passed} == failing


@pytest.mark.slow
def test_other_joints_and_fewer_heads(tmp_path, file, slim):
    """Joints as found: five of them, without a joint heatmap."""
    state = {name: value for name, value in slim.items() if name.split(".")[0] not in ("hm_hp", "hp_offset")}
    state["hps.2.weight"], state["hps.2.bias"] = slim["hps.2.weight"][:10], slim["hps.2.bias"][:10]
    convert.convert(file(state), str(tmp_path / "x.ckpt"))
    model = open_model(str(tmp_path / "x.ckpt"))
    assert model.config.vocabulary["keypoints"].names == tuple(f"joint_{number}" for number in range(5))
    assert not model.config.section("test").flip
    found = model.detector([np.full((40, 60, 3), 99, np.uint8)])[0]
    assert found.keypoints.shape[1:] == (5, 2) and not found.from_heatmap.any()


@pytest.mark.slow
def test_weights_to_start_from(tmp_path, file, slim):
    """ImageNet's load into the backbone of a pose network, and say that they are not a network."""
    state = {name[len("base.") :]: value for name, value in slim.items() if name.startswith("base.")}
    state["fc.weight"] = np.zeros((1000, 16, 1, 1), np.float32)
    out = str(tmp_path / "x.ckpt")
    assert main(["convert", file(state), out]) == 0
    report = load_arrays(pose_network(), checkpoint.load(out).network_arrays)
    assert not report.unexpected and not report.differs
    assert not [name for name in report.missing if name.startswith("backbone.")]
    assert {name.split(".")[0] for name in report.matched} == {"backbone"}
    with pytest.raises(WeightsError, match="initial weights for a training .* a part of a network, which cannot predict"):
        open_model(out)


@pytest.mark.slow
def test_imagenet_weights_by_name(tmp_path, file, monkeypatch, capsys):
    """``resnet18`` in a configuration and on the command line means torchvision's file, here one of a folder that has it."""
    state = official("resnet18_dcn_coco", {"input": {"size": [64, 64]}})
    state = {name: value for name, value in state.items() if name.startswith(("conv1", "bn1", "layer"))}
    classifier = {"fc.weight": np.zeros((1000, 512), np.float32), "fc.bias": np.zeros(1000, np.float32)}
    source = Path(file({**state, **classifier}))
    name = f"resnet18-{hashlib.sha256(source.read_bytes()).hexdigest()[:8]}.pth"
    source.rename(tmp_path / name)
    monkeypatch.setenv("MINDPOINT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MINDPOINT_WEIGHTS_URL", tmp_path.as_uri())
    monkeypatch.setattr(ResNetRules, "downloads", {"resnet18": f"http://nowhere.invalid/{name}"})
    network = build_network(load_config("resnet18_dcn_coco", ["input.size=[64, 64]"]))
    load_initial(network, initial_arrays(network, "resnet18"), "backbone", "resnet18")
    np.testing.assert_array_equal(network.backbone.layer4[1].bn2.moving_mean.asnumpy(), state["layer4.1.bn2.running_mean"])
    assert main(["fetch", "resnet18"]) == 0
    assert capsys.readouterr().out.endswith(f"{tmp_path / 'cache' / 'weights' / name}\n")
    assert main(["convert", "resnet18", str(tmp_path / "x.ckpt")]) == 0
    assert "resnet18: ResNet-18 without heads" in capsys.readouterr().out
    with pytest.raises(WeightsError, match="resnet81: neither a file nor the name of downloadable weights; did you mean resnet18"):
        initial_arrays(network, "resnet81")
    assert main(["fetch"]) == 0
    assert "http://dl.yf.io/dla/models/imagenet/dla34-ba72cf86.pth" in capsys.readouterr().out


def written_for(weights):
    """Return the plan of ``mindpoint new --weights`` and the network of the configuration that it writes, with the weights loaded."""
    network = plan_network(weights)
    plan = Plan(input_size=(64, 64), window=None, pairs=[[]], flip=0.0, rotation=0.0, batch_size=2)
    files = ("t.json", "."), ("v.json", "."), {"fish": "fish"}
    text = configuration("new", ["fish"], [Kind("", ["head", "tail"])], *files, plan, network, 10, 1)
    config = Config.from_text(text.replace("- _base_/", f"- {shipped_folder()}/_base_/"), "new.yaml", parts=("model",), trusted=True)
    settings, made = config.section("train"), build_network(config)
    assert settings.weights == weights
    load_initial(made, initial_arrays(made, weights), settings.weights_match, weights)
    return network, made


@pytest.mark.slow
def test_a_new_configuration_takes_the_network_of_its_weights(tmp_path, file, slim):
    """An official network, its converted file, and ImageNet's backbone; joints of one's own, so only the heads begin anew."""
    official_file, ours = file(slim), str(tmp_path / "ours.ckpt")
    convert.convert(official_file, ours)
    for weights in (official_file, ours):
        network, made = written_for(weights)
        assert network.freeze == ["statistics"] and network.weights_match == "heads" and network.neck["type"] == "DLAUp"
        first = next(iter(made.neck.get_parameters()))
        np.testing.assert_array_equal(first.asnumpy(), checkpoint.load(ours).network_arrays[first.name])
    state = {name[len("base.") :]: value for name, value in slim.items() if name.startswith("base.")}
    state["fc.weight"] = np.zeros((1000, 16, 1, 1), np.float32)
    network, _ = written_for(file(state))
    assert network.weights_match == "backbone" and network.freeze == [] and network.neck["type"] == "FPN"


def pose_network():
    text = json.dumps({"_base_": str(shipped()["dla34_dcn_coco"]), **SLIM})
    return build_network(Config.from_text(text, "test", trusted=True))


def test_a_pose_training_starts_from_a_detector(tmp_path, file, caplog):
    """As the official recipe does: ``wh`` and ``reg`` come along, the heatmap of other classes and the heads of joints begin anew."""
    state = official("ctdet_dla34_dcn_coco.yaml", DETECTORS["dla_34"])
    convert.convert(file(state), str(tmp_path / "x.ckpt"))
    caplog.set_level("INFO", "mindpoint")
    network = pose_network()
    load_initial(network, checkpoint.load(tmp_path / "x.ckpt").network_arrays, "heads", "x.ckpt")
    loaded = {name: value.asnumpy() for name, value in network.parameters_dict().items()}
    for ours, theirs in (("backbone.level2.root.conv.weight", "base.level2.root.conv.weight"), ("neck.ida_up.proj_1.conv.bias",) * 2):
        np.testing.assert_array_equal(loaded[ours], state[theirs.replace("neck.", "")])
    for head in ("wh", "reg"):
        np.testing.assert_array_equal(loaded[f"heads.pose.{head}.2.weight"], state[f"{head}.2.weight"])
    anew = caplog.text.partition("14 parameters keep their initial values: ")[2].splitlines()[0].split(", ")
    rest = [
        f"heads.pose.{head}.{layer}.{kind}" for head in ("hps", "hm_hp", "hp_offset") for layer in (0, 2) for kind in ("weight", "bias")
    ]
    assert set(anew) == {"heads.pose.hm.2.weight", "heads.pose.hm.2.bias", *rest}
    assert "heads.pose.hm.2.weight: (1, 8, 1, 1) here, (80, 8, 1, 1) in the file" in caplog.text


DETECTORS = {
    "dla_34": {**SLIM, "model": {**SLIM["model"], "heads": {"detection": {"head_conv": 8}}}},
    "resdcn_18": {"input": {"size": [64, 64]}},
    "hourglass": {
        "input": {"size": [128, 128]},
        "model": {"backbone": {"channels": [4, 4, 8, 8, 8, 12], "stem": 4}, "heads": {"detection": {"head_conv": 8}}},
    },
}
DETECTOR_BASES = {
    "dla_34": "ctdet_dla34_dcn_coco.yaml",
    "resdcn_18": "ctdet_resnet18_dcn_coco.yaml",
    "hourglass": "ctdet_hourglass_coco.yaml",
}


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["dla_34", "resdcn_18", "hourglass"])
def test_detectors_round_trip_and_reference(tmp_path, file, arch, capsys):
    """Without a configuration from file to model, as the network in PyTorch, and back to every name and number that feeds an output."""
    pytest.importorskip("torch")
    state = official(DETECTOR_BASES[arch], DETECTORS[arch])
    out = str(tmp_path / "x.ckpt")
    assert main(["convert", file(state), out, "--verify"]) == 0
    assert "6 of 6 comparisons pass" in capsys.readouterr().out
    config = open_model(out).config
    assert len(config.classes) == 80 and config.classes[0] == "person" and not config.has("keypoints")
    assert main(["to-official", out, str(tmp_path / "back.pth")]) == 0
    said = capsys.readouterr().out
    slim = f"the official code has no {arch if arch == 'dla_34' else 'hourglass'} with these widths"
    usage = "load it in the official code with: ctdet --arch resdcn_18 --head_conv 64 --load_model"
    assert (usage if arch == "resdcn_18" else slim) in said
    back = read_state(tmp_path / "back.pth")
    assert sorted(back) == sorted(state)
    assert all(np.array_equal(back[name], state[name]) for name in state if ".project." not in name)


@pytest.mark.slow
def test_sizes_by_class_and_other_classes(tmp_path, file):
    """Three classes with sizes of their own, without offsets."""
    state = official("ctdet_dla34_dcn_coco.yaml", DETECTORS["dla_34"])
    state = {name: value for name, value in state.items() if not name.startswith("reg.")}
    for head, count in (("hm", 3), ("wh", 6)):
        state[f"{head}.2.weight"], state[f"{head}.2.bias"] = np.zeros((count, 8, 1, 1), np.float32), np.zeros(count, np.float32)
    found = recognize(state, "x").weights
    assert found.config["model"]["heads"] == {"detection": {"head_conv": 8, "reg": False, "class_sizes": True}}
    convert.convert(file(state), str(tmp_path / "x.ckpt"))
    assert open_model(str(tmp_path / "x.ckpt")).config.classes == ["class_0", "class_1", "class_2"]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["ctdet", "multi_pose"])
@pytest.mark.parametrize("arch", ["dla_34", "resdcn_18", "resdcn_101", "hourglass"])
def test_networks_of_the_official_code_are_recognised(arch, task, golden, golden_ctdet, golden_networks):
    """By the names and shapes of the official lists; the network that is built for them has no name more or less."""
    listed = official_list(arch, task, golden, golden_ctdet, golden_networks)
    state = {name: np.broadcast_to(np.float32(0), shape) for name, shape in listed.items()}
    rules, found, _ = recognize(state, "x")
    width = {"dla_34": " --head_conv 256", "hourglass": ""}.get(arch, " --head_conv 64")
    assert (found.name, found.whole, found.usage) == (arch, True, f"{task} --arch {arch}{width} --load_model {{file}}")
    with no_init_parameters():
        network = build_network(Config.from_text(json.dumps(found.config), "x", trusted=True))
    assert {name: value.shape for name, value in official_shapes(network).items()} == {name: tuple(shape) for name, shape in listed.items()}


def official_list(arch, task, golden, golden_ctdet, golden_networks):
    """Names and shapes of the official network, as far as a list of it is there; otherwise made of that of a like one."""
    if arch == "dla_34":
        folder = golden_ctdet if task == "ctdet" else golden
        return dict(json.loads((folder / "official_state_dict.json").read_text())["params"])
    file = golden_networks / f"official_state_dict-{'hourglass' if arch == 'hourglass' else 'resdcn18'}.json"
    params = dict(json.loads(file.read_text())["params"])
    if arch == "resdcn_101":
        with no_init_parameters():
            network = build_network(load_config("resnet18_dcn_coco", ["model.backbone.depth=101"]))
        wider = {name: list(value.shape) for name, value in official_shapes(network).items()}
        assert {name for name in params if not name.startswith("layer")} == {name for name in wider if not name.startswith("layer")}
        params = wider
    if task == "ctdet":
        params = {name: shape for name, shape in params.items() if name.split(".")[0] not in ("hps", "hm_hp", "hp_offset")}
        for name in params:
            if name.startswith("hm.") and params[name][0] == 1:
                params[name] = [80, *params[name][1:]]
    return params


class DepthHeads(Head):
    """The heads of a task that is not known: the maps of each class's centres, of sizes and of depths."""

    def __init__(self, in_features, classes):
        super().__init__()
        channels, stride = in_features[0]
        self.out_maps = {name: FeatureSpec(count, stride) for name, count in (("hm", len(classes)), ("wh", 2), ("dep", 1))}
        for name, spec in self.out_maps.items():
            setattr(self, name, nn.SequentialCell([conv(channels, 8, 3, bias=True), nn.ReLU(), conv(8, spec.channels, 1, bias=True)]))

    def construct(self, maps):
        return {"hm": self.hm(maps[0]), "wh": self.wh(maps[0]), "dep": self.dep(maps[0])}


@pytest.mark.slow
def test_weights_of_another_task_are_whole_with_its_configuration(tmp_path, file, slim, capsys):
    """They match it completely, so the checkpoint carries it; with one class more they do not, and are initial weights."""
    state = {name: value for name, value in slim.items() if name.split(".")[0] not in ("hps", "hm_hp", "hp_offset", "reg")}
    state["hm.2.weight"], state["hm.2.bias"] = np.ones((3, 8, 1, 1), np.float32), np.zeros(3, np.float32)
    state.update(
        {name.replace("wh.", "dep."): value[: 1 if "2" in name else None] for name, value in state.items() if name.startswith("wh.")}
    )
    source = file(state)
    for classes in (["circle", "square", "star"], ["circle", "square", "star", "cross"]):
        name, out = tmp_path / f"{len(classes)}.yaml", str(tmp_path / f"{len(classes)}.ckpt")
        model = {"_replace_": True, **SLIM["model"], "neck": {"type": "DLAUp"}, "heads": {"boxes": {"type": "DepthHeads"}}}
        model["backbone"] = {"type": "DLA34", **SLIM["model"]["backbone"]}
        base = str(shipped()["dla34_dcn_coco"])
        changes = {"_base_": base, "classes": classes, **SLIM, "model": model}
        name.write_text(json.dumps(changes))
        with registry("heads").registered("DepthHeads", DepthHeads):
            assert main(["convert", source, out, "--config", str(name)]) == 0
        said, stored = capsys.readouterr().out, checkpoint.load(out)
        if len(classes) == 3:
            assert "try it: mindpoint predict" in said and "DepthHeads" in stored.info["config"] and "purpose" not in stored.info
            np.testing.assert_array_equal(stored.arrays["heads.boxes.hm.2.weight"], state["hm.2.weight"])
        else:
            assert "initial weights, for --set train.weights" in said and "purpose" in stored.info and "config" not in stored.info


def test_what_cannot_be_converted(tmp_path, file, slim):
    out = str(tmp_path / "x.ckpt")

    def refused(state, message):
        with pytest.raises(WeightsError, match=message):
            convert.convert(file(state), out)

    refused({"pre.1.conv.weight": np.zeros(3, np.float32)}, "unknown architecture .*pre.1.conv.weight.* supported:")
    refused({name: value for name, value in slim.items() if "ida_up.node_2" not in name}, "not the weights of a whole dla_34.*missing")
    refused({**slim, "dep.0.weight": np.zeros(3, np.float32)}, "dep: not a head")
    refused({**slim, "hm.7.weight": np.zeros(3, np.float32)}, "1 unexpected")
    refused({name.replace("conv.conv_offset", "offset"): value for name, value in slim.items()}, "another neck than the official")
    refused({name: value for name, value in slim.items() if name.startswith("base.level5")}, "base.level0 is missing")
    assert not (tmp_path / "x.ckpt").exists()
    write_torch_file(tmp_path / "empty.pth", {})
    with pytest.raises(WeightsError, match="no state dictionary"):
        convert.convert(str(tmp_path / "empty.pth"), out)


def test_nothing_is_overwritten(tmp_path, file, slim):
    (tmp_path / "there.ckpt").write_text("mine")
    for out, message in (("there.ckpt", "exists"), ("x.pt", "must end in .ckpt"), ("no/x.ckpt", "the folder .*no does not exist")):
        with pytest.raises(OutputError, match=message):
            convert.convert(file(slim), str(tmp_path / out))
    assert (tmp_path / "there.ckpt").read_text() == "mine"


def test_a_network_that_the_official_code_does_not_have(tmp_path):
    base = shipped()["dla34_dcn_coco"]
    model = {**SLIM["model"], "neck": {"conv": "plain"}}
    config = Config.from_text(json.dumps({"_base_": str(base), **SLIM, "model": model}), "test", trusted=True)
    checkpoint.save(tmp_path / "x.ckpt", build_network(config), {"config": config.to_yaml()})
    with pytest.raises(MindpointError, match="another neck than the official"):
        convert.convert_back(str(tmp_path / "x.ckpt"), str(tmp_path / "x.pth"))
    assert not (tmp_path / "x.pth").exists()


def test_the_unused_classifier(tmp_path, file, slim):
    convert.convert(file(slim), str(tmp_path / "x.ckpt"))
    convert.convert_back(str(tmp_path / "x.ckpt"), str(tmp_path / "back.pth"), classifier=True)
    more = set(read_torch_file(tmp_path / "back.pth")["state_dict"]) - set(slim)
    assert more == {"base.fc.weight", "base.fc.bias"}
