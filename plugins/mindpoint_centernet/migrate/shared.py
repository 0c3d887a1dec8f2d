"""Handle the options that the model zoo's CenterNet shares with the official one."""

from __future__ import annotations

from typing import Container, Dict, Sequence

from mindpoint.errors import ConfigError

from mindpoint_centernet.migrate.draft import Draft, Handler, switch, to

VIEW = "data.train.transforms.view"


def options_of(words: Sequence[str], place: str, switches: Container[str] = ()) -> Dict[str, str]:
    """Return the values of ``--name value`` and ``--name=value`` by name. The value of a switch is ``true``.

    Raises:
        ConfigError: a word is not an option, or its value is missing. The message begins with ``place``.
    """
    found, rest = {}, list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if not name.startswith("--"):
            raise ConfigError(f"{place}: '{name}' is not an option; options begin with --")
        if name[2:] in switches:
            value = "true"
        elif not equals:
            if not rest:
                raise ConfigError(f"{place}: {name}: its value is missing")
            value = rest.pop(0)
        found[name[2:]] = value
    return found


def positive(key: str) -> Handler:
    """Return a handler that sets the value at a path to a positive whole number, and ignores other numbers."""
    return lambda draft, value: draft.set(key, int(value)) if int(value) > 0 else None


def stride(draft: Draft, value: object) -> None:
    """Set the stride of the maps unless it is 4, the default."""
    if int(value) != 4:
        draft.set("model.backbone.down_ratio", int(value))
        draft.set("data.train.targets.stride", int(value))


def _dense(draft: Draft, value: object) -> None:
    draft.set("model.losses.pose.dense", switch(value))
    draft.set("data.train.targets.dense", switch(value))


def _squares(draft: Draft, value: object) -> None:
    if switch(value):
        draft.set("model.losses.pose.joint_loss", "mse")
        draft.set("data.train.targets.joint_sigma", 4)
        draft.set("model.decoder.joint_activation", "none")


def losses(name: str, *weights: str) -> Dict[str, Handler]:
    """Return handlers for the weights and the kind of regression of the named loss."""
    place = f"model.losses.{name}"
    return {
        **{weight: to(f"{place}.{weight}", float) for weight in ("hm_weight", "off_weight", "wh_weight", *weights)},
        "reg_loss": to(f"{place}.regression", {"l1": "l1", "sl1": "smooth_l1"}.__getitem__),
    }


def poses() -> Dict[str, Handler]:
    """Return handlers for the losses of poses."""
    return {**losses("pose", "hp_weight", "hm_hp_weight"), "dense_hp": _dense, "mse_loss": _squares}


def views(flip: str) -> Dict[str, Handler]:
    """Return handlers for random views. ``flip`` names the option for the probability of mirroring."""
    return {
        "shift": to(f"{VIEW}.shift", float),
        "scale": to(f"{VIEW}.scale", float),
        "rotate": to(f"{VIEW}.rotation", float),
        "aug_rot": to(f"{VIEW}.rotation_probability", float),
        flip: to(f"{VIEW}.flip", float),
    }
