"""Load the data set of a data spec into memory and check it."""

from pathlib import Path

from vaebench.composing.parameters import convert, parameters_of, text
from vaebench.composing.spec import DataSpec
from vaebench.contracts import Dataset
from vaebench.datasets.check import checked
from vaebench.errors import UsageError
from vaebench.registry import Registry
from vaebench.storage import caches


def default_root() -> Path:
    """The default data root: the folder that VAEBENCH_DATA names, else the user's cache."""
    return caches.folder("VAEBENCH_DATA", "data")


def load(spec: DataSpec, registry: Registry, root: Path) -> tuple[DataSpec, Dataset]:
    """Load the data set that a spec names; return the spec's canonical form too.

    :raises UsageError: for an unknown name or parameter, an invalid value, missing data, or invalid data
    """
    origin = registry.get("dataset", spec.name)
    function = registry.resolve("dataset", spec.name)
    parameters = parameters_of(function)
    given = dict(spec.parameters)
    if spec.argument is not None:
        if "path" not in parameters:
            raise UsageError(
                f"data set {spec.name} has no path, so no colon may follow it: {spec.name}:{spec.argument}"
            )
        given["path"] = spec.argument
    values = convert("", parameters, given, f"data set {spec.name}")
    label = f"data set {spec.name} of package {origin.package} {origin.version}"
    try:
        dataset = checked(label, function(root, **values))
    except UsageError as error:
        if str(caches.NOWHERE) not in str(error):
            raise
        raise UsageError(
            f"data set {spec.name}: there is no home folder to keep data in; "
            "name a folder with --data-root or VAEBENCH_DATA"
        ) from error
    changed = {n: text(v) for n, v in values.items() if v != parameters[n].default and n != "path"}
    named = changed | dict(dataset.settled)
    return DataSpec(spec.name, spec.argument, {n: named[n] for n in parameters if n in named}), dataset
