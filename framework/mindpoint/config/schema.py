"""The schema of configurations: sections with their keys, and the slots for each kind of part.

A new section, key or slot takes one line here; loading, checking, overriding and building follow from it.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, is_dataclass, replace
from typing import Any, Callable, Dict, Iterator, Literal, Mapping, Optional, Sequence, Tuple, Union

from mindpoint.config import injection
from mindpoint.contracts.image import MOST_SIDE, InputSpec
from mindpoint.errors import ConfigError
from mindpoint.registry import Entry, WrongKind, registry


def _key(rule: Callable[[Any], bool], text: Union[str, Callable[[Any], str]], default: object = MISSING, **metadata: object) -> Any:
    """Declare a key whose value must satisfy a rule; ``text``, perhaps computed from the invalid value, completes "it must be ...".
    ``formerly``: an earlier name of the key. ``yields_to``: the key of the section that overrides this one."""
    return field(default=default, metadata={"rule": (rule, text), **metadata})


def _whole(minimum: int, default: object = MISSING, most: int = 2**31 - 1, **metadata: object) -> Any:
    def fits(value: Optional[int]) -> bool:
        return value is None or minimum <= value <= most

    return _key(fits, lambda value: f"{minimum} or more" if value < minimum else f"{most} or less", default, **metadata)


_MOST_BATCH = 65_536


@dataclass(frozen=True)
class RunSettings:
    """Keys of the top level.

    Attributes:
        classes: category names; the index is the class label of the network.
        seed: seed of all random numbers.
    """

    classes: Sequence[str] = _key(lambda names: 0 < len(names) == len(set(names)), "a list of distinct names, at least one")
    seed: int = _whole(0, default=0, most=2**32 - 1)


@dataclass(frozen=True)
class RuntimeSettings:
    """``runtime``: device and execution mode of the network.

    Attributes:
        device: ``auto`` selects the device that the installed MindSpore was built for.
        device_id: index of the Ascend device on this host, from 0. Not given: the environment's ``DEVICE_ID``, or 0 without it. With
            ``mindpoint launch`` each process has its own.
        mode: ``graph`` compiles; ``eager`` runs operators one by one, slowly, so that a debugger can stop inside a network.
        jit_level: MindSpore's level of graph optimisation: ``O0`` little, ``O1`` fuses operators, ``O2`` runs the whole graph on an Ascend.
            Not given: MindSpore's default.
    """

    device: Literal["auto", "CPU", "Ascend"] = "auto"
    device_id: Optional[int] = _whole(0, default=None, most=4095)
    mode: Literal["graph", "eager"] = "graph"
    jit_level: Optional[Literal["O0", "O1", "O2"]] = None


@dataclass(frozen=True)
class SplitSettings:
    """``data.<name>``: reading of training samples. Evaluation uses only the data set; see ``test`` for its other settings.

    Attributes:
        size: ``(height, width)`` of a training sample in pixels; ``input.size`` if not given. Networks without fixed sizes learn faster
            from windows around the objects than from whole images in which the objects are small.
        batch_size: samples per step, in each process.
        total_batch_size: samples per step, over all processes; it overrides ``batch_size`` unless ``batch_size`` is set later, e.g. by
            ``--set``.
        workers: threads that prepare samples.
        shuffle: use a new order every epoch.
        processes: use processes as workers instead of threads.
        max_images: maximum number of images; the first ones of the data set are used.
        max_unreadable: maximum number of unreadable images in a training. Each is replaced by the next image; one more ends the training.
    """

    size: Optional[Sequence[int]] = _key(
        lambda size: size is None or (len(size) == 2 and all(0 < side <= MOST_SIDE for side in size)),
        f"(height, width), each in 1..{MOST_SIDE}",
        default=None,
    )
    batch_size: int = _whole(1, default=1, most=_MOST_BATCH, yields_to="total_batch_size")
    total_batch_size: Optional[int] = _whole(1, default=None, most=_MOST_BATCH)
    workers: int = _whole(1, default=2, most=256)
    shuffle: bool = True
    processes: bool = False
    max_images: Optional[int] = _whole(1, default=None, formerly="images")
    max_unreadable: int = _whole(0, default=10)

    def input_spec(self, whole: InputSpec) -> InputSpec:
        """Return the form of the training samples: ``whole``, the form of the network's input, with the samples' own size."""
        return whole if self.size is None else replace(whole, size=(self.size[0], self.size[1]))

    def batch_of_each(self, processes: int) -> int:
        """Return the number of samples per step of each of ``processes`` processes.

        Raises:
            ConfigError: the samples cannot be split evenly.
        """
        if self.total_batch_size is None:
            return self.batch_size
        if self.total_batch_size % processes:
            raise ConfigError(f"data.train.total_batch_size: {self.total_batch_size} is not a multiple of {processes} processes")
        return self.total_batch_size // processes


@dataclass(frozen=True)
class TrainSettings:
    """``train``: length of a training, initial weights, and the update of the network in a step.

    Attributes:
        epochs: passes over the training data.
        steps: length in optimizer steps, for small data sets. It overrides ``epochs`` unless ``epochs`` is set later, e.g. by ``--set``.
            The schedule ends with it.
        max_steps: stop after this many steps if the training would last longer; the schedule still covers the whole training.
        weights: file with the initial weights, or the name of weights to download, such as ``resnet18``.
        weights_match: the parts of the network that the file must cover: ``exact`` everything; ``heads`` everything except maps of the
            heads, which are newly initialised if they differ; ``backbone`` the whole backbone; ``any`` at least one parameter.
        freeze: parameters to keep unchanged, as kinds (``biases``, ``norms``, ``statistics``) and regular expressions matched at the start
            of their names. A normalisation layer with frozen moving statistics uses them instead of the batch's.
        lr_factors: learning rate factors by kind or expression, as in ``freeze``; the last match counts.
        no_decay: kinds and expressions of the parameters without weight decay.
        lr_batch_size: batch size, over all processes, that the optimizer's learning rate is meant for. The learning rate is multiplied by
            the ratio of the actual batch size to this one. Not given: it is used unchanged.
        accumulate: number of equal parts in which each batch passes through the network, to save memory; the update is the same as for the
            whole batch.
        clip_norm: maximum global norm of the gradients; larger gradients are scaled down to it.
        ema: decay of the exponential moving average of the weights, which is evaluated and saved; e.g. 0.9998.
        precision: number type of the network: ``float32``, also called ``O0``; ``O1`` (float16 in convolutions and dense layers), ``O2``
            (float16 except normalisation), ``O3`` (float16); ``bfloat16`` (bfloat16 except normalisation; on a CPU only the factors of
            products in convolutions). Losses and weights are always float32.
        loss_scale: factor of the loss while gradients are computed, or ``dynamic``. Not given: ``dynamic`` with float16, otherwise no
            scaling.
        sink: number of steps that an Ascend runs without returning to the host; the losses shown are those of the last step. Not given:
            sinking is off.
        max_skipped: maximum number of consecutive steps skipped because a gradient is not finite; one more ends the training.
        checkpoint_minutes: maximum age of ``last.ckpt`` in minutes; an older one is rewritten within an epoch. Not given: only
            ``hooks.checkpoint`` decides.
    """

    epochs: Optional[int] = _whole(1, default=None, most=1_000_000, yields_to="steps")
    steps: Optional[int] = _whole(1, default=None)
    max_steps: Optional[int] = _whole(1, default=None)
    weights: Optional[str] = None
    weights_match: Literal["exact", "heads", "backbone", "any"] = "heads"
    freeze: Sequence[str] = ()
    lr_factors: Optional[Mapping[str, float]] = _key(
        lambda factors: factors is None or all(0 <= factor <= 1e6 for factor in factors.values()), "factors in 0..1e6", default=None
    )
    no_decay: Sequence[str] = ("biases", "norms")
    lr_batch_size: Optional[int] = _whole(1, default=None)
    accumulate: int = _whole(1, default=1, most=_MOST_BATCH)
    clip_norm: Optional[float] = _key(lambda value: value is None or value > 0, "positive", default=None)
    ema: Optional[float] = _key(lambda value: value is None or 0 < value < 1, "between 0 and 1", default=None, formerly="average")
    precision: Literal["float32", "O0", "O1", "O2", "O3", "bfloat16"] = "float32"
    loss_scale: Union[float, Literal["dynamic"], None] = _key(
        lambda value: value is None or value == "dynamic" or 0 < value <= 2**40, "positive and at most 2^40, or dynamic", default=None
    )
    sink: Optional[int] = _whole(1, default=None)
    max_skipped: int = _whole(0, default=20)
    checkpoint_minutes: Optional[float] = _key(
        lambda value: value is None or 0 < value <= 1e6, "above 0 and at most 1e6, or null", default=10.0
    )

    def __post_init__(self) -> None:
        if self.epochs is None and self.steps is None:
            raise ConfigError("set 'steps' or 'epochs', the length of the training")

    def length(self, steps_per_epoch: int) -> int:
        """Return the number of steps of the whole training, which the schedule covers; ``max_steps`` may end it earlier."""
        return self.steps or (self.epochs or 0) * steps_per_epoch


@dataclass(frozen=True)
class InferenceSettings:
    """``test``: settings of inference.

    Attributes:
        resolution: ``fixed`` fits every image into ``input.size``, ``keep`` keeps the image's own resolution.
        pad: at kept resolution each side becomes ``(side | pad) + 1`` pixels. Not given: the divisor of the network's input minus one,
            such as 31.
        flip: average the outputs for the image and for its mirrored copy.
        scales: factors by which each image is scaled; the detections of all scales are merged.
        nms: apply soft non-maximum suppression even with a single scale.
        batch_size: images per batch, at fixed resolution.
    """

    resolution: Literal["fixed", "keep"] = "fixed"
    pad: Optional[int] = _key(
        lambda value: value is None or 0 <= value < 4096 and not value & (value + 1), "one less than a power of 2, such as 31", default=None
    )
    flip: bool = False
    scales: Sequence[float] = _key(
        lambda scales: 0 < len(scales) <= 64 and all(1 / 64 <= scale <= 64 for scale in scales),
        "1 to 64 factors, each in 1/64..64",
        default=(1.0,),
    )
    nms: bool = False
    batch_size: int = _whole(1, default=1, most=_MOST_BATCH)


@dataclass(frozen=True)
class Slot:
    """A slot for one part: ``type:`` names it, the other keys are its constructor's arguments.

    Attributes:
        registry: the registry that resolves the name.
    """

    registry: str
    required: bool = False

    @property
    def given(self) -> Tuple[str, ...]:
        """Return the names of the values that the run passes to a constructor with parameters of these names, unless the configuration sets
        them."""
        return injection.given(self.registry)


@dataclass(frozen=True)
class Named:
    """A mapping from names, chosen by the user, to entries of one form. ``required``: at least one entry."""

    item: "Kind"
    required: bool = False


@dataclass(frozen=True)
class Section:
    """Fixed keys: the fields of a dataclass, and sections and slots in ``parts``.

    Attributes:
        source: the dataclass, or the entry point with which a distribution declares one; None if the section only has parts.
    """

    source: Union[type, Entry, None] = None
    parts: Mapping[str, "Kind"] = field(default_factory=dict)
    required: bool = False

    @property
    def settings(self) -> Optional[type]:
        """Return the dataclass. Raises PluginImportError, WrongKind."""
        if not isinstance(self.source, Entry):
            return self.source
        found = self.source.load()
        if not (isinstance(found, type) and is_dataclass(found)):
            raise WrongKind(f"{self.source} is not a dataclass; a section of the configuration must be one")
        return found


Kind = Union[Slot, Named, Section]


class _TopLevel(Mapping):
    """The parts of the top level: the core's, and the optional sections of the entry-point group ``mindpoint.sections``."""

    def __init__(self, core: Dict[str, Kind]) -> None:
        self._core = core

    def __getitem__(self, key: str) -> Kind:
        if key in self._core:
            return self._core[key]
        if key not in registry("sections").names():
            raise KeyError(key)
        return Section(registry("sections").find(key))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._core, *registry("sections").names()]))

    def __len__(self) -> int:
        return len(list(iter(self)))


ROOT = Section(
    RunSettings,
    _TopLevel(
        {
            "runtime": Section(RuntimeSettings),
            "input": Section(InputSpec, required=True),
            "model": Section(
                parts={
                    "backbone": Slot("backbones", required=True),
                    "neck": Slot("necks"),
                    "heads": Named(Slot("heads"), required=True),
                    "losses": Named(Slot("losses")),
                    "inputs": Slot("inputs"),
                    "decoder": Slot("decoders"),
                },
                required=True,
            ),
            "data": Named(
                Section(
                    SplitSettings,
                    {
                        "dataset": Slot("datasets", required=True),
                        "sampler": Slot("samplers"),
                        "transforms": Named(Slot("transforms")),
                        "targets": Slot("targets"),
                    },
                )
            ),
            "optimizer": Slot("optimizers"),
            "schedule": Slot("schedules"),
            "train": Section(TrainSettings),
            "test": Section(InferenceSettings, {"metric": Slot("metrics"), "visualizer": Slot("visualizers")}),
            "hooks": Named(Slot("hooks")),
        }
    ),
)
