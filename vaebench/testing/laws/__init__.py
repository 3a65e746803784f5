"""The laws of each kind, as plain tuples; ``vaebench check`` and ``laws_for`` check them."""

from vaebench.evaluation import fid, likelihood
from vaebench.maths import gaussian
from vaebench.testing.law import Law
from vaebench.testing.laws.autoregression import AUTOREGRESSION
from vaebench.testing.laws.decoders import DECODERS
from vaebench.testing.laws.encoders import ENCODERS
from vaebench.testing.laws.estimators import ESTIMATORS
from vaebench.testing.laws.every import EVERY
from vaebench.testing.laws.gaussians import DENSITY, KL, KL_STANDARD
from vaebench.testing.laws.gradients import GRADIENTS
from vaebench.testing.laws.latents import LATENTS
from vaebench.testing.laws.likelihoods import LIKELIHOODS
from vaebench.testing.laws.metrics import METRICS
from vaebench.testing.laws.normalisation import NORMALISATION
from vaebench.testing.laws.objectives import OBJECTIVES
from vaebench.testing.laws.parameters import PARAMETERS
from vaebench.testing.laws.priors import PRIORS
from vaebench.testing.laws.quantisation import QUANTISATION
from vaebench.testing.laws.rates import RATES
from vaebench.testing.laws.reading import READING
from vaebench.testing.laws.sampling import SAMPLING
from vaebench.testing.laws.slopes import SLOPES
from vaebench.testing.laws.temperature import TEMPERATURE
from vaebench.testing.subject import Function

PARTS: dict[str, tuple[Law, ...]] = {
    "encoder": (*EVERY, *GRADIENTS, *PARAMETERS, *ENCODERS),
    "latent": (*EVERY, *GRADIENTS, *PARAMETERS, *LATENTS, *RATES, *READING, *QUANTISATION),
    "prior": (*EVERY, *GRADIENTS, *PARAMETERS, *NORMALISATION, *PRIORS, *TEMPERATURE),
    "decoder": (*EVERY, *GRADIENTS, *PARAMETERS, *DECODERS, *AUTOREGRESSION),
    "likelihood": (*EVERY, *GRADIENTS, *PARAMETERS, *LIKELIHOODS, *SAMPLING),
    "objective": (*EVERY, *GRADIENTS, *PARAMETERS, *OBJECTIVES, *SLOPES),
}
"""Kind of component -> its laws."""

LAWS: dict[str, tuple[Law, ...]] = {
    **PARTS,
    "kl": KL,
    "kl-standard": KL_STANDARD,
    "density": DENSITY,
    "estimator": ESTIMATORS,
    "metric": METRICS,
}

BUILT_IN_FUNCTIONS = (
    Function("kl", "normal", function=gaussian.kl),
    Function("kl-standard", "normal", function=gaussian.kl_standard),
    Function("density", "normal", function=gaussian.log_density),
    Function("estimator", "bounds", function=likelihood.bounds),
    Function("metric", "fid", function=fid.score),
)
"""vaebench's own formulas, estimators and metrics; each is checked under the laws of its kind."""
