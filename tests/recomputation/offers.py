"""What the runs of these tests need beside the built-in parts, offered as a plugin would offer it."""

from vaebench.hookspecs import Entry, hookimpl

HERE = "tests.recomputation.offered"


@hookimpl
def vaebench_components() -> list[Entry]:
    return [Entry("extractor", "colour-sums", f"{HERE}:colour_sums", "six features of 8x8 colour images")]


@hookimpl
def vaebench_datasets() -> list[Entry]:
    return [Entry("dataset", "drawn", f"{HERE}:drawn", "binary digits, drawn afresh each time")]
