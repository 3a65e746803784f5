"""What a run from Python refuses beside what every run does: another model's weights, another class."""

from typing import Any

from vaebench.composing.spec import parse, parse_data
from vaebench.contracts import Dataset
from vaebench.errors import UsageError
from vaebench.face.origin import named, origin_of
from vaebench.face.unregistered import changed
from vaebench.model import Vae
from vaebench.requests.recipes import Recipe
from vaebench.requests.request import Request
from vaebench.run.folder import RunFolder
from vaebench.training import checkpoint

_BUILT_IN = ("shift", "scale", "recompute")
"""Settings of training that a composed model has already."""


def refuse_other_weights(
    model: Vae, plan: Recipe, data: str | Dataset | None, seed: int | None, given: dict[str, Any]
) -> None:
    """Refuse what would make the run's initial weights others than those of the model that is given."""
    origin = origin_of(model)
    asked = {"seed": (seed, plan.seed)}
    if data is not None:
        asked["data"] = (str(parse_data(named(data, origin.registry)[0])), str(plan.data))  # type: ignore[assignment]
    asked |= {name: (given[name], plan.settings.get(name)) for name in _BUILT_IN if name in given}
    for name, (wanted, own) in asked.items():
        if wanted is not None and wanted != own:
            raise UsageError(
                f"{name}={wanted}: this model was composed with {name}={own}; compose it anew with {name}="
            )
    if checkpoint.weights_sha256(model.state_dict()) != origin.initial:
        raise UsageError(
            "this model has been trained, and a run starts from the initial weights of its seed: compose it "
            "anew, give a run to start from, or use vb.steps"
        )


def refuse_other_classes(request: Request, folder: RunFolder) -> None:
    """Refuse to go on with a class whose code has changed."""
    if folder.request_file.exists():
        other = changed(parse(request.compose).choices, parse(folder.request().compose).choices)
        if other:
            raise UsageError(f"{folder.path}: {other}; restore the code, or give another out=")
