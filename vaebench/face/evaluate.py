"""``vb.evaluate``: the scores of a model on a data set, under one protocol."""

from typing import TYPE_CHECKING, Any

import msgspec

from vaebench.contracts import Dataset
from vaebench.evaluation import scoring
from vaebench.face.arguments import model_of, plain
from vaebench.face.generator import kept
from vaebench.face.origin import check_image, dataset_of, origin_of
from vaebench.face.reporting import Progress, reporting
from vaebench.model import Vae
from vaebench.records import Scores
from vaebench.requests import recipes

if TYPE_CHECKING:
    from vaebench.face.run import Run


def evaluate(
    model: "Vae | Run",
    data: str | Dataset | None = None,
    *,
    progress: Progress = "auto",
    **settings: Any,
) -> Scores:
    """Score a model on every test image of a data set: the bound on its NLL, rate, distortion, FID and KID.

    Numbers are in nats per image and in bits/dim; noise belongs to the image, so the same weights have the
    same scores. The record of a run stays as it is.

    :param model: a composed or trained model, or a run
    :param data: a data set by name or a ``vb.Dataset``; default: the model's own
    :param progress: ``auto`` (a bar or lines), ``json``, ``off``, or a reporter of your own
    :param settings: settings of scoring that differ from the model's or the run's, as ``samples=100``
    :raises VaebenchError: in one line, for an unknown setting, other images, or a bound that is not finite

    >>> import vaebench as vb
    >>> model = vb.compose("enc=mlp,latent=gaussian,lik=categorical")
    >>> scores = vb.evaluate(model, samples=1, extractor="off", progress="off")
    >>> scores.likelihood.images, 3 < scores.likelihood.nll.bits_per_dim < 6
    (360, True)
    """
    inner = model_of(model)
    origin = origin_of(inner)
    changes = recipes.scoring_settings(plain(settings))
    dataset = dataset_of(data, origin)
    check_image(inner, dataset)
    asked = msgspec.structs.replace(origin.scoring, **changes)
    device = next(inner.parameters()).device
    with inner.evaluating(), kept(device), reporting(progress) as shown:
        protocol = scoring.settle(asked, dataset, inner.latent.groups, origin.registry, device)
        scores, _ = scoring.score(inner, dataset, protocol, origin.registry, shown)
    return scores
