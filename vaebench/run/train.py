"""Training the whole model of a run, and what it starts from."""

import torch
from torch import Tensor

from vaebench.contracts import Prior
from vaebench.evaluation import scoring
from vaebench.evaluation.draws import Draws
from vaebench.evaluation.likelihood import bounds
from vaebench.model import Vae
from vaebench.noise import derived_seed
from vaebench.run import start
from vaebench.run.code import code_of
from vaebench.run.events import TRAINING
from vaebench.run.job import Job, Stage
from vaebench.run.prepare import Prepared
from vaebench.training.checkpoint import Store
from vaebench.training.loop import State

PRIOR = "prior."
"""How the names of a prior's weights begin."""


def begin(prepared: Prepared, model: Vae) -> None:
    """Let every part see the training images, as the model sees them.

    :raises UsageError: where a part cannot work with them
    """
    torch.manual_seed(derived_seed(prepared.request.seed, "begin"))
    model.begin(scoring.seen_train_images(prepared.data), prepared.data.train.labels)


def stand_in(prepared: Prepared, model: Vae) -> Prior | None:
    """What takes the prior's place while the rest trains, where the prior is fitted afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(prepared.request.seed, "stand-in"))
        prior = prepared.composition.build_stand_in(model)
        if prior is not None:
            prior.begin(scoring.seen_train_images(prepared.data), prepared.data.train.labels)
    return prior


def train(job: Job, model: Vae, *, but_prior: bool = False) -> State:
    """Train the whole model to the end of its budget; it then has its final weights.

    :param but_prior: the prior in place only stands in for one that is fitted afterwards
    """
    request = job.prepared.request
    if request.base is not None:
        _take_start(job, model, but_prior=but_prior)

    draws = Draws(request.scoring.noise_seed, request.scoring.score_batch)

    def bound(scored: Vae, images: Tensor) -> Tensor:
        return -bounds(scored, images, 1, draws).elbo

    code = {s: c for s, c in code_of(job.prepared.composition).items() if not (but_prior and s == "prior")}
    model.to(job.prepared.device)
    job.reporter.phase(TRAINING)
    store = Store(job.folder.checkpoints, job.reporter.saved)
    return Stage(model, request.training, store, bound, code).run(job)


def _take_start(job: Job, model: Vae, *, but_prior: bool) -> None:
    """Give a model the weights that its run starts from; a prior that is fitted afterwards starts afresh."""
    own = model.prior.state_dict(prefix=PRIOR) if but_prior else {}
    given = start.weights(job.folder)
    model.load_state_dict({n: t for n, t in given.items() if not (but_prior and n.startswith(PRIOR))} | own)
