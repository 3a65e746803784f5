"""The training of the whole model of a run, from its starting weights."""

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
from vaebench.training.state import State

PRIOR = "prior."
"""The prefix of the names of a prior's weights."""


def begin(prepared: Prepared, model: Vae) -> None:
    """Show the training images to every component, in the form in which the model sees them.

    :raises UsageError: where a component cannot work with them
    """
    torch.manual_seed(derived_seed(prepared.request.seed, "begin"))
    model.begin(scoring.seen_train_images(prepared.data), prepared.data.train.labels)


def stand_in(prepared: Prepared, model: Vae) -> Prior | None:
    """Build the prior that is used while the rest trains; None where the prior trains with the rest."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(prepared.request.seed, "stand-in"))
        prior = prepared.composition.build_stand_in(model)
        if prior is not None:
            prior.begin(scoring.seen_train_images(prepared.data), prepared.data.train.labels)
    return prior


def train(job: Job, model: Vae, *, but_prior: bool = False) -> State:
    """Train the whole model to the end of its budget and load its final weights.

    :param but_prior: the model's prior is only a stand-in for one that is fitted afterwards
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
    """Load the weights from which the run starts; a prior that is fitted afterwards starts from scratch."""
    own = model.prior.state_dict(prefix=PRIOR) if but_prior else {}
    given = start.weights(job.folder)
    model.load_state_dict({n: t for n, t in given.items() if not (but_prior and n.startswith(PRIOR))} | own)
