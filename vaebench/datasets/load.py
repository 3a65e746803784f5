"""A data spec -> the images in memory, held to what a data set promises."""

from pathlib import Path

from vaebench.composing.parameters import convert, parameters_of, text
from vaebench.composing.spec import DataSpec
from vaebench.contracts import Dataset
from vaebench.datasets.check import checked
from vaebench.errors import UsageError
from vaebench.registry import Registry
from vaebench.storage import caches


def default_root() -> Path:
    """Where data sets live unless --data-root says otherwise: VAEBENCH_DATA, else the user's cache."""
    return caches.folder("VAEBENCH_DATA", "data")


def load(spec: DataSpec, registry: Registry, root: Path) -> tuple[DataSpec, Dataset]:
    """The data set that a spec names, and the spec's canonical form.

    Raises UsageError for an unknown name or parameter, a bad value, data that are not there, or data that
    are not what a data set promises.
    """
    origin = registry.get("dataset", spec.name)
    function = registry.resolve("dataset", spec.name)
    known = parameters_of(function)
    given = dict(spec.parameters)
    if spec.argument is not None:
        if "path" not in known:
            raise UsageError(f"data set {spec.name} takes nothing after a colon: {spec.name}:{spec.argument}")
        given["path"] = spec.argument
    values = convert("", known, given, f"data set {spec.name}")
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
    changed = {n: text(v) for n, v in values.items() if v != known[n].default and n != "path"}
    said = changed | dict(dataset.settled)
    return DataSpec(spec.name, spec.argument, {n: said[n] for n in known if n in said}), dataset
