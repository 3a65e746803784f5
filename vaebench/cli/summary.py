"""The summary that is printed at the end of a run."""

from collections.abc import Iterator

from vaebench.records import Estimate, Fid, LikelihoodScore, Record, Scores
from vaebench.run.folder import RunFolder

_BOUNDS = {"iwae": "importance-weighted bound, K={}", "two-part": "two-part code", "exact": "exact"}


def _both(e: Estimate) -> str:
    if e.bits_per_dim_se is None or e.nats_se is None:
        return f"{e.bits_per_dim:.4f} bits/dim ({e.nats:.2f} nats), error unknown"
    return f"{e.bits_per_dim:.4f} ± {e.bits_per_dim_se:.4f} bits/dim ({e.nats:.2f} ± {e.nats_se:.2f} nats)"


def _likelihood_lines(score: LikelihoodScore) -> Iterator[str]:
    bound = _BOUNDS[score.bound].format(score.samples)
    yield f"NLL          {_both(score.nll)}; {bound}, {score.images} test images"
    if not score.exact_prior:
        yield "             the log-density of the prior is an estimate"
    split = f"rate {score.rate.nats:.2f} + distortion {score.distortion.nats:.2f} nats"
    yield f"-ELBO        {_both(score.elbo)} = {split}"
    real = {g: n for g, n in score.active_units.items() if g not in score.perplexity}
    if active := ", ".join(f"{n}/{score.units[g]}" for g, n in real.items()):
        yield f"active units {active}"
    for group, perplexity in score.perplexity.items():
        live = f"{score.active_units[group]}/{score.units[group]} live"
        yield f"codes        {group}: {live}, perplexity {perplexity:.1f}"


def scores_lines(scores: Scores) -> list[str]:
    """Describe the scores, one per line."""
    bits, histogram = scores.likelihood.nll.bits_per_dim, scores.histogram_bits_per_dim
    lines = [*_likelihood_lines(scores.likelihood)]
    side = f"{1 - bits / histogram:.1%} below" if bits < histogram else f"{bits / histogram - 1:.1%} above"
    lines.append(f"histogram    {histogram:.4f} bits/dim per pixel: the NLL is {side} it")
    fid = scores.fid
    if isinstance(fid, Fid):
        error = ", error unknown" if fid.kid_se is None else f" ± {fid.kid_se:.5f}"
        lines.append(
            f"FID          {fid.fid:.3f} at N={fid.images}, {fid.fid_extrapolated:.3f} extrapolated; "
            f"KID {fid.kid:.5f}{error} ({fid.extractor} features, {fid.reference})"
        )
        if fid.few_images:
            lines.append(f"             this FID is far too large: it needs more than {fid.features} images")
    else:
        lines.append(f"FID          missing: {fid.why}")
    return lines


def summary(record: Record, folder: RunFolder) -> str:
    """Describe the scores, the cost, the files of a run, and the next command."""
    spent, pictures = record.budget, (folder.samples, folder.reconstructions)
    lines = [f"composition  {record.composition}", f"data         {record.data.spec}, seed {record.seed}"]
    if record.data.binarisation:
        lines.append(f"binarised    {record.data.binarisation}")
    lines += scores_lines(record.scores) if record.scores else ["status       diverged"]
    if fit := record.fit:
        lines.append(
            f"prior        fitted afterwards: {fit.steps} steps, {fit.images} images in {fit.seconds:.1f} s"
            + (", stopped early by patience" if fit.stopped == "patience" else "")
        )
    if record.base:
        how = "everything but the prior is frozen at" if record.base.frozen else "training started from"
        lines.append(f"base         {how} the weights {record.base.weights_sha256[:12]}")
    lines += [
        f"training     {spent.steps} steps, {spent.images} images in {spent.train_seconds:.1f} s "
        f"({spent.images_per_second:.0f}/s), {spent.parameters} parameters",
        f"record       {folder.record}",
        f"pictures     {'  '.join(str(path) for path in pictures if path.exists()) or 'none'}",
        f"leaderboard  vaebench submit {folder.path} && vaebench leaderboard",
    ]
    return "\n".join(lines)
