"""The nodes that stand for deformable convolution and decoding in an ONNX file, run by ONNX Runtime."""

import numpy as np
import onnx
import onnxruntime
import pytest
from deform_conv_oracle import deform_conv
from mindpoint.contracts.image import Sample, View
from mindpoint.contracts.instances import Detections, Objects
from mindpoint.contracts.onnx_graph import OnnxGraph
from mindpoint.inference.detect import FileDetection
from mindpoint.native.exporting import Export
from mindpoint_centernet.decoders.multi_pose import MultiPoseDecoder
from mindpoint_centernet.decoders.multi_pose_onnx import decode_nodes
from mindpoint_centernet.ops.deform_conv_onnx import DeformConvNodes
from mindpoint_coco.keypoints import Keypoints
from mindpoint_parity import decode as parity
from onnx import TensorProto, helper

TYPES = {"labels": TensorProto.INT64, "from_heatmap": TensorProto.BOOL}
RANKS = {"y": 4, "boxes": 3, "scores": 2, "labels": 2, "keypoints": 4, "keypoint_scores": 3, "from_heatmap": 3}


def run(inputs, add_nodes):
    """Results by name of a graph whose input shapes are all unknown; ``add_nodes(graph)`` gives the names of its tensors by result."""
    nodes = OnnxGraph()
    results = add_nodes(nodes)
    for name, tensor in results.items():
        nodes.nodes.append(helper.make_node("Identity", [tensor], [name]))
    graph = helper.make_graph(
        nodes.nodes,
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * array.ndim) for name, array in inputs.items()],
        [helper.make_tensor_value_info(name, TYPES.get(name, TensorProto.FLOAT), [None] * RANKS[name]) for name in results],
        nodes.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip(results, session.run(list(results), inputs)))


@pytest.mark.parametrize("portable", [False, True], ids=["DeformConv", "portable"])
@pytest.mark.parametrize(
    "stride, padding, dilation, groups, kernel",
    [((1, 1), (1, 1), (1, 1), 1, (3, 3)), ((2, 1), (0, 2), (1, 2), 2, (3, 2)), ((1, 2), (1, 0), (2, 1), 4, (1, 3))],
)
def test_deformable_convolution_is_its_formula(portable, stride, padding, dilation, groups, kernel):
    rng = np.random.default_rng(3)
    batch, channels, outputs, height, width = 2, 8, 5, 9, 12
    out = [(s + 2 * p - d * (k - 1) - 1) // t + 1 for s, p, d, k, t in zip((height, width), padding, dilation, kernel, stride)]
    taps = groups * kernel[0] * kernel[1]
    offset = rng.normal(0, 3, (batch, 2 * taps, *out))
    offset[:, :, 0, 0] = np.round(offset[:, :, 0, 0])  # exactly on pixels, on the border and on the last position that does not count
    offset[:, :, -1, -1] *= 100
    arrays = dict(
        x=rng.normal(size=(batch, channels, height, width)),
        offset=offset,
        mask=rng.random((batch, taps, *out)),
        weight=rng.normal(size=(outputs, channels, *kernel)),
        bias=rng.normal(size=outputs),
    )
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    nodes = DeformConvNodes(kernel, stride, padding, dilation, channels, groups)
    build = nodes.sampled if portable else nodes.deform_conv
    found = run(arrays, lambda graph: {"y": build(graph, list(arrays))})["y"]
    expected = deform_conv(*arrays.values(), stride, padding, dilation, groups)
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_portable_form_is_the_one_that_is_asked_for():
    nodes = DeformConvNodes((3, 3), (1, 1), (1, 1), (1, 1), 4, 1)
    for portable in (False, True):
        export = Export("onnx", portable)
        nodes.operator(export)
        graph = OnnxGraph()
        export.builders["Standin0"](graph, ["x", "offset", "mask", "weight", "bias"])
        assert ("DeformConv" in {node.op_type for node in graph.nodes}) is not portable


def decoded(maps, joints, activated=(), **limits):
    """Return the nodes' detections in maps with a batch axis, one Detections per image, in pixels of the maps."""
    options = {"top_k": 100, "joint_threshold": 0.1, "distance_factor": 0.3, "box_margin": 0.0, **limits}
    found = run(maps, lambda graph: decode_nodes(graph, {name: name for name in maps}, joints, activated, **options))
    fields = Keypoints(list(map(str, range(joints)))).found()
    rows = [
        Detections(*(found[own.name][row] for own in Detections.own), fields, {field.name: found[field.name][row] for field in fields})
        for row in range(len(maps["hm"]))
    ]
    return [row.select(row.scores > 0) for row in rows]


def test_detections_of_the_reference(golden):
    with np.load(golden / "decode.npz") as file:
        arrays = {name: file[name] for name in file.files}
    compared = 0
    for case in sorted({name.split("/")[0] for name in arrays if name.startswith("case")}):
        maps = {
            name: arrays[f"{case}/{name}"][None] for name in ("hm", "wh", "hps", "reg", "hm_hp", "hp_offset") if f"{case}/{name}" in arrays
        }
        for result, (without, top_k) in {
            "dets": ((), 100),
            "dets_no_hm_hp": (("hm_hp",), 100),
            "dets_no_hp_offset": (("hp_offset",), 100),
            "dets_no_reg": (("reg",), 100),
            "dets_k20": ((), 20),
        }.items():
            if f"{case}/{result}" in arrays:
                given = {name: array for name, array in maps.items() if name not in without}
                found = decoded(given, maps["hps"].shape[1] // 2, top_k=top_k)[0]
                assert parity.row_error(parity.columns(found, True), arrays[f"{case}/{result}"][0]) < 1e-4, (case, result)
                compared += 1
    assert compared >= 15


def random_maps(rng, joints=3, classes=2, height=24, width=40):
    channels = {"hm": classes, "wh": 2, "hps": 2 * joints, "reg": 2, "hm_hp": joints, "hp_offset": 2}
    maps = {name: rng.normal(0, 2, (2, count, height, width)).astype(np.float32) for name, count in channels.items()}
    maps["wh"] = np.abs(maps["wh"]) * 6
    return maps


@pytest.mark.parametrize("without", [(), ("hp_offset",), ("reg", "hm_hp", "hp_offset")], ids=["all maps", "no hp_offset", "three maps"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"box_margin": 0.25, "distance_factor": 0.6},
        {"joint_choice": "likely", "box_margin": 0.25},
        {"joint_activation": "none", "joint_threshold": 0.7},
        {"top_k": 5000},
    ],
    ids=["defaults", "margin", "likely", "no activation", "more than there are pixels"],
)
def test_a_batch_of_raw_maps_as_the_decoder_has_it(without, settings):
    maps = {name: array for name, array in random_maps(np.random.default_rng(8)).items() if name not in without}
    maps["hm"][1, 0, 5:8, 5:8] = 2.5  # equal scores: all of a plateau are peaks
    decoder = MultiPoseDecoder(Keypoints(["nose", "left", "right"]), ["one", "two"], **settings)
    found = run(maps, lambda graph: decoder.onnx_nodes(graph, {name: name for name in maps}, dict.fromkeys(maps, 4)))
    view = View((300.0, 200.0), 640.0)
    shown = [Sample(0, "", np.zeros((96, 160, 3), np.uint8), Objects.none(), view=view)] * 2
    decoded_inside = FileDetection(lambda inputs: found, decoder.fields)({"image": np.zeros((2, 3, 96, 160))}, shown)
    for ours, theirs in zip(decoded_inside, decoder(maps, [view, view])):
        assert len(ours) == len(theirs) > 50
        for name in theirs.values:
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=2e-3, rtol=1e-5, err_msg=name)


def test_no_object():
    maps = random_maps(np.random.default_rng(0))
    maps["hm"][:] = 0
    maps["hm"][1, 1, 4, 7] = 0.5
    found = decoded(maps, 3)
    assert [len(one) for one in found] == [0, 1] and found[1].labels == [1]
