"""A verdict as lines for a person."""

from vaebench.testing.run import Verdict


def lines(verdict: Verdict) -> list[str]:
    """What was promised, the counter-example, measured against expected, and where to read."""
    head = f"{verdict.kind}={verdict.name}: {verdict.law}"
    if verdict.status == "holds":
        return [f"holds   {head} ({verdict.examples} examples, {verdict.seconds:.1f} s)"]
    if verdict.status == "does not apply":
        return [f"n/a     {head}: {verdict.reason}"]
    said = [("promised", verdict.promise), ("found", verdict.reason)]
    example = "; ".join(f"{name} = {value}" for name, value in verdict.counterexample.items())
    said += [("for", example), ("measured", verdict.measured), ("expected", verdict.expected)]
    said += [("read", verdict.where)]
    return [f"BROKEN  {head}", *(f"        {label:9} {text}" for label, text in said if text)]
