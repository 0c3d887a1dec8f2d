"""Overfitting of a few images: the quickest test that images, targets, losses, decoding and statistics fit together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, List, Tuple

from mindpoint.config import Config
from mindpoint.errors import ConfigError

if TYPE_CHECKING:
    from mindpoint.training.trainer import Trainer

GOAL = 0.9
STEPS = 600
_EVALUATE_EVERY = 30  # steps


def overrides(config: Config, images: int) -> List[str]:
    """Return changes to a configuration that make it overfit its first ``images`` training images.

    The images are shown whole, without augmentation, and the same images are used for evaluation. The training ends when the statistic for
    the best checkpoint (by default the metric's main statistic) has reached 0.9, or after 600 steps. Parts and optimizer stay unchanged.

    Raises:
        ConfigError: fewer than one image.
    """
    if images < 1:
        raise ConfigError(f"--overfit is {images}; it must be at least 1")
    config.require("data.train", "optimizer", "schedule", "train", "test.metric")
    batch_size = min(images, config.split("train").batch_of_each(1))
    per_epoch = max(1, images // batch_size)
    epochs, every = math.ceil(STEPS / per_epoch), math.ceil(_EVALUATE_EVERY / per_epoch)
    hooks = {
        "console": "{type: 'mindpoint.hooks.console:Console'}",
        "log": "{type: 'mindpoint.hooks.json_lines:JsonLines'}",
        "pictures": "{type: 'mindpoint.hooks.pictures:Pictures'}",
        "curves": "{type: 'mindpoint.hooks.curves:Curves'}",
        "evaluation": f"{{type: 'mindpoint.hooks.evaluation:Evaluation', every: {every}, until: {_goal(config)}}}",
    }
    return [
        f"data.train.max_images={images}",
        f"data.train.batch_size={batch_size}",
        "+data.train.size=null",
        "data.train.transforms=null",
        "data.train.sampler=null",
        f"+data.val={{_replace_: true, dataset: '${{data.train.dataset}}', max_images: {images}}}",
        "schedule={_replace_: true, type: 'mindpoint.optim.schedules:Constant', warmup_steps: 20}",
        f"train.epochs={epochs}",
        "train.accumulate=1",
        "train.ema=null",
        "train.lr_batch_size=null",
        "test.resolution=fixed",
        "test.flip=false",
        "test.scales=[1.0]",
        f"hooks={{_replace_: true, {', '.join(f'{name}: {block}' for name, block in hooks.items())}}}",
    ]


def _goal(config: Config) -> str:
    """Return the goal for the statistic of the hook that saves the best checkpoint; if the hook does not name one, for the metric's main
    statistic."""
    blocks = config.data.get("hooks", {}).values()
    named = next((block["best"] for block in blocks if isinstance(block.get("best"), str)), None)
    return str(GOAL) if named is None else f"{{{named}: {GOAL}}}"


def verdict(trainer: "Trainer") -> Tuple[bool, str]:
    """Tell whether the training has reached its goal, with an explanation."""
    ((name, goal),) = trainer.hooks["evaluation"].until.items()
    value, images = trainer.metrics.get(name, math.nan), len(trainer.loader.samples)
    if value >= goal:
        return True, (
            f"overfit: passed. {name} is {value:.3f} on {images} images after {trainer.step} steps: images, targets, losses, decoding and "
            "statistics fit together."
        )
    if math.isnan(value):
        return False, f"overfit: failed. {name} is undefined on these {images} images, which lack the necessary annotations."
    if not math.isfinite(trainer.losses.get("loss", math.nan)):
        return False, "overfit: failed. The loss is not finite; lower the learning rate, or check the annotations."
    return False, (
        f"overfit: failed. {name} is {value:.3f} on {images} images after {trainer.step} steps; the goal is {goal:g}. If the loss in "
        f"{trainer.run_dir}/curves.png still falls, use more steps: --set train.epochs={2 * trainer.epochs}. If not, look at "
        f"{trainer.run_dir}/pictures: truth above, prediction below. Wrong truth: check annotations; small objects: raise input.size; "
        "nothing detected: change the learning rate."
    )
