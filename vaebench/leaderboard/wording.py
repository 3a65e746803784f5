"""The explanations on a page, and the phrases that describe a protocol."""

import json
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from vaebench.leaderboard.comparable import Protocol
from vaebench.leaderboard.identity import ScoredRun
from vaebench.leaderboard.markdown import plain
from vaebench.leaderboard.provenance import HASH
from vaebench.leaderboard.ranking import WITHIN, Ranked

MARK = "<!-- written by `vaebench leaderboard` from records/: edits are lost -->"

READING = f"""## How to read this

- The runs of a section share data, split, budget and scoring protocol; only they are ranked against each
  other. A run with a two-part or exact bound (which has no K) or without FID joins the section with the most
  runs that agree with it in everything else. The budget is the number of images that training was allowed to
  see; early stopping may have ended a run before.
- Bits/dim is an upper bound on the negative log-likelihood of the discrete test images, averaged over all of
  them; lower is better. IW-K is the importance-weighted bound with K samples; "prior estimated" marks a prior
  whose density is itself an estimate. The gap is −ELBO minus that bound; −ELBO = rate + distortion.
- Runs that differ only in their seed share a row, which shows the mean over n seeds ± their sample standard
  deviation (sd). Reruns of a seed are averaged first and count as one. A row of a single seed shows ± the
  standard error over test images (se) instead.
- Rows share a rank (=) if their bits/dim lie within {WITHIN:g} combined standard errors of the rank's best
  row, {WITHIN:g}·√(s₁² + s₂²), with s² = se² + sd²/n. The se over images is not divided by the number of
  seeds n, as all seeds are scored on the same images. A row of a single seed takes the median sd of the
  section's rows with several seeds; if there are none, the noise between seeds is unknown and not included.
  All rows see the same images, but the test treats their errors as independent: it shares ranks too often
  rather than too rarely.
- — marks a score that is missing for at least one seed; a footnote gives the reason.
- Pictures show the first seed of a row that has any. The twelve digits after a component are the beginning of
  the SHA-256 of its code, "(unknown)" if the code could not be read or changed during the run. "stale" marks
  a row with a component whose code differed from the code that ran when the page was written.
- FID at N is biased upwards, more so for smaller N; FID → ∞ extrapolates it to N = ∞. Neither is ranked.
"""


def facts(protocol: Protocol) -> tuple[str, ...]:
    """Describe a protocol in phrases, always in the same order."""
    data, fid = protocol.data, protocol.fid
    return (
        f"data {plain(data.spec)}",
        f"checksum {data.checksum[:16]}",
        f"{data.channels}×{data.height}×{data.width} pixels of {data.levels:,} levels",
        "not binarised" if data.binarisation is None else f"binarised: {plain(data.binarisation)}",
        f"{data.train:,} training, {data.validation:,} validation, {data.test:,} test images",
        f"budget {protocol.images:,} images"
        + (f", starting from weights {protocol.start[:16]}" if protocol.start else ""),
        "no K" if protocol.samples is None else f"K = {protocol.samples:,}",
        "no FID"
        if fid is None
        else f"FID of {fid.images:,} images by {plain(fid.extractor)} "
        f"(weights {fid.weights_sha256[:16]}, {fid.features:,} features) at temperature {fid.temperature:g} "
        f"against {fid.reference_images:,} of {plain(fid.reference)}",
    )


def told_apart(section: Sequence[Ranked]) -> dict[bytes, str]:
    """Recipe -> the settings, parameters and versions that distinguish it from others of its composition."""
    namesakes: defaultdict[str, list[ScoredRun]] = defaultdict(list)
    for entry in section:
        namesakes[entry.row.runs[0].record.composition].append(entry.row.runs[0])
    return {
        run.recipe: words
        for runs in namesakes.values()
        if len(runs) > 1
        for run, words in zip(runs, _differences(runs), strict=True)
    }


def _differences(runs: Sequence[ScoredRun]) -> list[str]:
    flat = [_flat(run) for run in runs]
    names = sorted({name for settings in flat for name in settings})
    differing = [name for name in names if len({settings.get(name) for settings in flat}) > 1]
    return [
        ", ".join(plain(f"{name}={settings[name]}") for name in differing if name in settings)
        for settings in flat
    ]


def _flat(run: ScoredRun) -> dict[str, str]:
    record = run.record
    settings = {
        name: json.dumps(value, sort_keys=True, allow_nan=False)
        for name, value in msgspec.structs.asdict(record.training).items()
    }
    for slot, part in record.parts.items():
        settings[f"{slot} from"] = f"{part.name} of {part.package} {part.package_version}"
        if part.source_sha256 is not None:
            settings[f"{slot} code"] = part.source_sha256[:HASH]
        for name, value in part.parameters.items():
            settings[f"{slot}.{name}"] = json.dumps(value, sort_keys=True, allow_nan=False)
    return settings
