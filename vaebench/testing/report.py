"""The lines that show a verdict to a person."""

from vaebench.testing.run import Verdict


def lines(verdict: Verdict) -> list[str]:
    """List the promise, the smallest counter-example, the measured and expected values, and the reference."""
    head = f"{verdict.kind}={verdict.name}: {verdict.law}"
    if verdict.status == "holds":
        return [f"holds   {head} ({verdict.examples} examples, {verdict.seconds:.1f} s)"]
    if verdict.status == "does not apply":
        return [f"n/a     {head}: {verdict.reason}"]
    labelled = [("promised", verdict.promise), ("found", verdict.reason)]
    example = "; ".join(f"{name} = {value}" for name, value in verdict.counterexample.items())
    labelled += [("for", example), ("measured", verdict.measured), ("expected", verdict.expected)]
    labelled += [("read", verdict.where)]
    return [f"BROKEN  {head}", *(f"        {label:9} {text}" for label, text in labelled if text)]
