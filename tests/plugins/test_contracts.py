"""The parts that come with mindpoint, by the test classes that authors of plugins use."""

import pytest
from mindpoint.contracts.features import FeatureSpec
from mindpoint.hooks.checkpoint import Checkpoint
from mindpoint.hooks.console import Console
from mindpoint.hooks.csv_table import Csv
from mindpoint.hooks.early_stopping import EarlyStopping
from mindpoint.hooks.evaluation import Evaluation
from mindpoint.hooks.json_lines import JsonLines
from mindpoint.hooks.pictures import Pictures
from mindpoint.hooks.tensorboard import TensorBoard
from mindpoint.testing import (
    BackboneTests,
    CodecTests,
    DatasetTests,
    HeadTests,
    HookTests,
    LossTests,
    MetricTests,
    NeckTests,
    TransformTests,
)
from mindpoint.testing.samples import input_spec
from mindpoint_centernet.backbones.dla import DLA34
from mindpoint_centernet.backbones.resnet import ResNet
from mindpoint_centernet.decoders.detection import DetectionDecoder
from mindpoint_centernet.decoders.multi_pose import MultiPoseDecoder
from mindpoint_centernet.heads.detection import DetectionHeads
from mindpoint_centernet.heads.multi_pose import MultiPoseHeads
from mindpoint_centernet.losses.detection import DetectionLoss
from mindpoint_centernet.losses.iou import BoxIouLoss
from mindpoint_centernet.losses.multi_pose import MultiPoseLoss
from mindpoint_centernet.losses.oks import OksLoss
from mindpoint_centernet.necks.deconv import Deconv
from mindpoint_centernet.necks.dla_up import DLAUp
from mindpoint_centernet.necks.model_zoo import ModelZooDLAUp
from mindpoint_centernet.targets.detection import DetectionTargets
from mindpoint_centernet.targets.multi_pose import MultiPoseTargets
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics.coco import CocoMetric
from mindpoint_coco.transforms.color import ColorAugment
from mindpoint_coco.transforms.copy_paste import CopyPaste
from mindpoint_coco.transforms.erase import RandomErase
from mindpoint_coco.transforms.mixing import MixUp, Mosaic
from mindpoint_coco.transforms.perspective import RandomPerspective
from mindpoint_coco.transforms.quality import GaussianBlur, GaussianNoise, JpegCompression, MotionBlur
from mindpoint_coco.transforms.view import RandomView
from mindpoint_synthetic.people import SyntheticPeople

JOINTS = Keypoints(("nose", "left_eye", "right_eye"), sigmas=(0.03, 0.03, 0.03), flip_pairs=((1, 2),))
FIELDS = SyntheticPeople(1, 0, ["person"], JOINTS).fields
CHANNELS = (4, 6, 8, 12, 16, 24)
PYRAMID = (FeatureSpec(8, 4), FeatureSpec(12, 8), FeatureSpec(16, 16), FeatureSpec(24, 32))


@pytest.mark.slow
class TestDLA34(BackboneTests):
    def make(self):
        return DLA34(channels=CHANNELS)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [18])
class TestResNet(BackboneTests):
    @pytest.fixture(autouse=True)
    def _depth(self, depth):
        self.depth = depth

    def make(self):
        return ResNet(self.depth)


@pytest.mark.slow
class TestDLAUp(NeckTests):
    in_features = PYRAMID

    def make(self):
        return DLAUp(self.in_features)


@pytest.mark.slow
class TestModelZooDLAUp(TestDLAUp):
    def make(self):
        return ModelZooDLAUp(self.in_features)


class TestDeconv(NeckTests):
    in_features = (FeatureSpec(24, 32),)

    def make(self):
        return Deconv(self.in_features, channels=(16, 12, 8))


class TestMultiPoseHeads(HeadTests):
    in_features = (FeatureSpec(8, 4),)

    def make(self):
        return MultiPoseHeads(self.in_features, classes=["person"], keypoints=JOINTS, head_conv=8)


class TestDetectionHeads(HeadTests):
    in_features = (FeatureSpec(8, 4),)

    def make(self):
        return DetectionHeads(self.in_features, classes=["cup", "dog"], head_conv=8)


class TestDetectionCodec(CodecTests):
    classes = ("cup", "dog")

    def make_targets(self):
        return DetectionTargets(list(self.classes), self.input_spec)

    def make_decoder(self):
        return DetectionDecoder(self.classes)


class TestDetectionCodecByClass(TestDetectionCodec):
    def make_targets(self):
        return DetectionTargets(list(self.classes), self.input_spec, class_sizes=True)

    def make_decoder(self):
        return DetectionDecoder(self.classes, class_sizes=True)


class TestDetectionCodecOfSquaredError(TestDetectionCodec):
    def make_targets(self):
        return DetectionTargets(list(self.classes), self.input_spec, center_sigma=1.5, dense_sizes="whole")

    def make_decoder(self):
        return DetectionDecoder(self.classes, center_activation="none")


class TestDetectionLoss(LossTests):
    def make(self):
        return DetectionLoss(maps=tuple(self.outputs()), targets=tuple(self.targets()))

    def make_targets(self):
        return DetectionTargets(["cup", "dog"], self.input_spec)


class TestDetectionLossByClass(TestDetectionLoss):
    def make_targets(self):
        return DetectionTargets(["cup", "dog"], self.input_spec, class_sizes=True)


class TestDetectionLossOfSquaredError(TestDetectionLoss):
    def make(self):
        return DetectionLoss(center_loss="mse", maps=tuple(self.outputs()), targets=tuple(self.targets()))

    def make_targets(self):
        return DetectionTargets(["cup", "dog"], self.input_spec, center_sigma=1.5, dense_sizes="whole")


class TestMultiPoseCodec(CodecTests):
    classes = ("person", "dog")
    fields = FIELDS

    def make_targets(self):
        return MultiPoseTargets(classes=list(self.classes), keypoints=JOINTS, input_spec=self.input_spec)

    def make_decoder(self):
        return MultiPoseDecoder(classes=list(self.classes), keypoints=JOINTS)


class TestMultiPoseLoss(LossTests):
    fields = FIELDS

    def make(self):
        return MultiPoseLoss(maps=tuple(self.outputs()), targets=tuple(self.targets()))

    def make_targets(self):
        return MultiPoseTargets(classes=["person", "dog"], keypoints=JOINTS, input_spec=self.input_spec)


class TestOksLoss(TestMultiPoseLoss):
    def make(self):
        return OksLoss(JOINTS)


class TestBoxIouLoss(TestMultiPoseLoss):
    def make(self):
        return BoxIouLoss("ciou", maps=tuple(self.outputs()), targets=tuple(self.targets()))


class TestSyntheticPeople(DatasetTests):
    most = 3

    def make(self):
        return SyntheticPeople(3, 0, ["person"], JOINTS)


class TestRandomView(TransformTests):
    fields = FIELDS

    def make(self):
        return RandomView(input_spec(), rotation=20, rotation_probability=0.5)


class TestColorAugment(TransformTests):
    def make(self):
        return ColorAugment()


@pytest.mark.parametrize(
    "kind", [CopyPaste, GaussianBlur, GaussianNoise, JpegCompression, MixUp, MotionBlur, RandomErase, RandomPerspective]
)
class TestRandomTransforms(TransformTests):
    fields = FIELDS

    @pytest.fixture(autouse=True)
    def _kind(self, kind):
        self.kind = kind

    def make(self):
        return self.kind(probability=1)


class TestMosaic(TransformTests):
    fields = FIELDS

    def make(self):
        return Mosaic(input_spec(), probability=1)


class TestCocoMetricOfBoxes(MetricTests):
    def make(self):
        return CocoMetric(self.classes)


class TestCocoMetricOfJoints(MetricTests):
    fields = FIELDS

    def make(self):
        return CocoMetric(self.classes, JOINTS)


@pytest.mark.parametrize("kind", [Checkpoint, Console, Csv, EarlyStopping, Evaluation, JsonLines, Pictures, TensorBoard])
class TestHooks(HookTests):
    @pytest.fixture(autouse=True)
    def _kind(self, kind):
        self.kind = kind

    def make(self, run_dir):
        return self.kind()
