"""Groups parameters by learning rate and weight decay, in the form that MindSpore's optimizers accept."""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Tuple, Union

from mindspore import Parameter

from mindpoint.errors import ConfigError
from mindpoint.optim.rules import match_parameters


def parameter_groups(
    parameters: Sequence[Parameter], lr: float, factors: Mapping[str, float], no_decay: Sequence[str]
) -> List[Dict[str, Union[float, List[Parameter]]]]:
    """Return the parameters, grouped by learning rate and by use of weight decay.

    Args:
        lr: the optimizer's learning rate.
        factors: learning rate factors by rule (see :mod:`mindpoint.optim.rules`); if several rules match a parameter, the last one counts.
        no_decay: rules for parameters without weight decay.

    Raises:
        ConfigError: a rule does not match any parameter.
    """
    names = [parameter.name for parameter in parameters]
    rates = dict.fromkeys(names, 1.0)
    for rule, factor in factors.items():
        if factor <= 0:
            raise ConfigError(
                f"train.lr_factors: the factor of '{rule}' is {factor:g}; it must be positive (use train.freeze to keep parameters)"
            )
        rates.update(dict.fromkeys(match_parameters(names, [rule], "train.lr_factors"), factor))
    plain = match_parameters(names, no_decay, "train.no_decay")
    groups: Dict[Tuple[float, bool], List[Parameter]] = {}
    for parameter in parameters:
        groups.setdefault((rates[parameter.name], parameter.name in plain), []).append(parameter)
    found = []
    for (factor, without), members in groups.items():
        found.append({"params": members, **({"lr": lr * factor} if factor != 1 else {}), **({"weight_decay": 0.0} if without else {})})
    return found
