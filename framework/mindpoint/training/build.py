"""Builds the objects of a training from a configuration."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Dict

from mindspore import nn

from mindpoint.config import Config
from mindpoint.contracts.data import TargetEncoder
from mindpoint.contracts.guard import declared
from mindpoint.contracts.hook import POINTS, Hook, acts_at
from mindpoint.contracts.parts import Loss
from mindpoint.data.build import build_dataset, build_metric, build_samples
from mindpoint.data.loader import Loader
from mindpoint.data.samples import TrainingSamples
from mindpoint.errors import ConfigError
from mindpoint.inference.mindspore_model import network_detector
from mindpoint.model.freeze import trained_parameters
from mindpoint.model.network import Network, build_network, refuse_repeated
from mindpoint.model.precision import cast_to, loss_scale
from mindpoint.model.translate import initial_arrays
from mindpoint.model.weights import load_initial
from mindpoint.native.accelerate import accelerate
from mindpoint.optim.groups import parameter_groups
from mindpoint.runtime import distributed
from mindpoint.runtime.tables import table
from mindpoint.training.step import TrainStep
from mindpoint.training.trainer import Trainer
from mindpoint.training.trial import try_parts

log = logging.getLogger("mindpoint")


def build_trainer(config: Config, run_dir: Path, resumed: bool = False) -> Trainer:
    """Build a trainer with everything it needs. Load initial weights if ``train.weights`` names them, unless the training is
    ``resumed``."""
    config.require("model.losses", "model.decoder", "data.train", "optimizer", "schedule", "train")
    network = build_network(config)
    accelerate(network)
    samples = build_samples(config)
    _check_inputs(network, samples)
    losses = build_losses(config, network, samples)
    try_parts(network, losses, samples)
    split = config.split("train")
    batch_size = split.batch_of_each(distributed.size())
    sampler = config.build("data.train.sampler", dataset=samples.dataset)
    ranks = distributed.size(), distributed.rank()
    loader = Loader(samples, batch_size, split.workers, split.shuffle, split.processes, *ranks, sampler)
    settings = config.section("train")
    if batch_size % settings.accumulate:
        raise ConfigError(f"train.accumulate: a batch of {batch_size} cannot be split into {settings.accumulate} equal parts")
    if settings.weights and not resumed:
        load_initial(network, initial_arrays(network, settings.weights), settings.weights_match, settings.weights)
    optimizer = _build_optimizer(config, network)
    cast_to(network, settings.precision)
    epochs = settings.length(loader.steps_per_epoch) / loader.steps_per_epoch
    schedule = config.build("schedule", epochs=epochs, steps_per_epoch=loader.steps_per_epoch)
    hooks = config.build_all("hooks", run_dir=run_dir)
    has_val = config.has("data.val")
    trainer = Trainer(
        config,
        run_dir,
        TrainStep(
            network,
            losses,
            optimizer,
            samples.targets,
            accumulate=settings.accumulate,
            clip_norm=settings.clip_norm,
            ema=settings.ema,
            loss_scale=loss_scale(settings.precision, settings.loss_scale),
            losses_alone=build_losses(config, network, samples) if loader.order.follows_losses else None,
        ),
        loader,
        schedule,
        hooks,
        network_detector(config, network),
        build_metric(config) if has_val else None,
        build_dataset(config, "val") if has_val else None,
    )
    log.info(stage_table(hooks))
    return trainer


def _build_optimizer(config: Config, network: Network) -> nn.Optimizer:
    """Build ``optimizer`` with the trained parameters and their settings from ``train``."""
    settings, factors = config.section("train"), config.section("train").lr_factors or {}
    lr = config.data["optimizer"].get("lr")
    if factors and lr is None:
        raise ConfigError("train.lr_factors: needs optimizer.lr; add it")
    parameters = trained_parameters(network, settings.freeze)
    return config.build("optimizer", params=parameter_groups(parameters, lr, factors, settings.no_decay))


def build_losses(config: Config, network: Network, samples: TrainingSamples) -> Dict[str, Loss]:
    """Build ``model.losses`` and check them against the maps of the heads and the targets of the encoder.

    Raises:
        ConfigError: a loss needs a missing map or target, two losses have a term of the same name, or the strides differ.
    """
    _check_strides(network, samples.encoder)
    losses = config.build_all("model.losses", maps=tuple(network.maps), targets=samples.targets)
    if not losses:
        raise ConfigError(f"{config.name}: model.losses is empty; training needs at least one loss")
    for name, loss in losses.items():
        for what, needs, given, giver in (
            ("maps", loss.needs_maps, network.maps, "no head returns; the heads return"),
            ("targets", loss.needs_targets, samples.targets, f"{type(samples.encoder).__name__} does not return; it returns"),
        ):
            missing = sorted(set(needs) - set(given))
            if missing:
                raise ConfigError(
                    f"model.losses.{name}: {type(loss).__name__} needs the {what} {', '.join(missing)}, "
                    f"which {giver} {', '.join(sorted(given))}"
                )
    refuse_repeated("model.losses: more than one loss returns a term", [term for loss in losses.values() for term in loss.terms])
    return losses


def _check_strides(network: Network, encoder: TargetEncoder) -> None:
    """Raise ConfigError if the targets of a map have another stride than the map of its head."""
    meaning = "input pixels per pixel of each map that targets are made for, by the map's name"
    strides = declared("data.train.targets", encoder, "strides", meaning)
    for block, head in network.heads.items():
        for name, spec in head.out_maps.items():
            stride = strides.get(name, spec.stride)
            if stride != spec.stride:
                raise ConfigError(
                    f"data.train.targets: {type(encoder).__name__} encodes '{name}' at stride {stride}, but model.heads.{block} gives it "
                    f"at stride {spec.stride}; make them equal"
                )


def _check_inputs(network: Network, samples: TrainingSamples) -> None:
    """Raise ConfigError unless the samples have the further inputs that the backbone declares."""
    given = {name: samples.example[name].shape[0] for name in samples.inputs}
    for name, channels in network.inputs.items():
        if given.get(name) != channels:
            has = f"it has {given[name]}" if name in given else f"inputs of the samples: {', '.join(given) or 'none'}"
            raise ConfigError(
                f"model.backbone takes a further input '{name}' with {channels} channels; "
                f"provide it by Sample.inputs or model.inputs; {has}"
            )


def stage_table(hooks: Dict[str, Hook]) -> str:
    """Return a table of the hooks that act at each point of the loop, one line per point."""
    acting = {point: [name for name, hook in hooks.items() if acts_at(hook, point)] for point in POINTS}
    return table(None, [(point, ", ".join(names)) for point, names in acting.items() if names])
