"""The settings of training and scoring, each with a range and a meaning; a record holds all of them.

A new setting is marked with ``later``, which states what its absence means in existing records and runs.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vaebench.storage.later import later


class Training(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of training. Zero switches a threshold or an average off."""

    steps: (
        Annotated[
            int,
            Meta(ge=1, description="optimiser steps; without steps and epochs, the data set's own budget"),
        ]
        | None
    ) = None
    epochs: Annotated[float, Meta(gt=0, description="passes over the training split")] | None = None
    batch: Annotated[int, Meta(ge=1, description="images per step")] = 64
    optimiser: Annotated[Literal["adamw", "adam", "adamax"], Meta(description="update rule")] = "adamw"
    lr: Annotated[float, Meta(gt=0, description="peak learning rate; default: the data set's own")] | None = (
        None
    )
    beta1: Annotated[float, Meta(ge=0, lt=1, description="decay of the running mean of the gradient")] = 0.9
    beta2: Annotated[
        float, Meta(ge=0, lt=1, description="decay of the running mean of the squared gradient")
    ] = 0.99
    eps: Annotated[float, Meta(gt=0, description="added to the optimiser's denominator")] = 1e-8
    weight_decay: Annotated[float, Meta(ge=0, description="decoupled for adamw, else added to gradients")] = (
        0.01
    )
    warmup: Annotated[int, Meta(ge=0, description="steps of linear learning-rate warm-up")] = 50
    schedule: Annotated[
        Literal["constant", "cosine", "exponential"], Meta(description="learning-rate schedule after warm-up")
    ] = "cosine"
    lr_end: Annotated[float, Meta(ge=0, le=1, description="cosine: final rate as a fraction of the peak")] = (
        0.01
    )
    lr_decay: Annotated[float, Meta(gt=0, le=1, description="exponential: factor per epoch")] = 0.95
    clip: Annotated[float, Meta(ge=0, description="the gradient norm is clipped to this; 0 is off")] = 200.0
    skip: Annotated[
        float, Meta(ge=0, description="steps with a larger gradient norm are skipped; 0 is off")
    ] = 0.0
    skip_limit: Annotated[
        int, Meta(ge=1, description="consecutive skipped steps after which the run counts as diverged")
    ] = 10
    ema: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="decay of the exponential moving average of the weights, which is scored; 0 is off",
        ),
    ] = 0.99
    ema_warmup: Annotated[
        bool,
        Meta(description="the decay of ema starts low: (1 + t) / (10 + t) after t updates, at most ema"),
        later(False, since=5),
    ] = True
    precision: Annotated[
        Literal["float32", "bf16"], Meta(description="precision of the networks in training")
    ] = "float32"
    validate: Annotated[float, Meta(ge=0, description="epochs between validations; 0 means never")] = 2.0
    patience: Annotated[
        int, Meta(ge=0, description="stop after this many validations without a better bound; 0 is off")
    ] = 0
    keep_best: Annotated[
        bool, Meta(description="score the weights of the best validation, not the last weights")
    ] = True
    checkpoint: Annotated[float, Meta(gt=0, description="seconds between checkpoints")] = 60.0
    recompute: Annotated[
        bool,
        Meta(description="activation checkpointing: recompute activations for the gradient, to save memory"),
        later(False, since=1),
    ] = False
    compile: Annotated[
        bool,
        Meta(
            description="compile the blocks of deep networks: takes minutes at first, then steps are faster"
        ),
        later(False, since=4),
    ] = False
    shift: (
        Annotated[float, Meta(description="the encoder sees (x - shift) / scale; default: -1 to 1")] | None
    ) = None
    scale: Annotated[float, Meta(gt=0, description="see shift")] | None = None


class Scoring(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of scoring: the protocol, which must be the same for numbers to be comparable."""

    samples: (
        Annotated[
            int,
            Meta(
                ge=1, description="K of the importance-weighted bound; default: 100, or 10 for several groups"
            ),
        ]
        | None
    ) = None
    score_batch: Annotated[int, Meta(ge=1, description="rows (images x samples) per scoring step")] = 2000
    noise_seed: Annotated[
        int, Meta(ge=0, le=2**62, description="random seed for the noise of scoring and sampling")
    ] = 0
    follow: Annotated[
        int,
        Meta(ge=0, description="measure the bound at growing K, up to this K, on a few images; 0 is off"),
        later(0, since=3),
    ] = 0
    follow_images: Annotated[
        int,
        Meta(ge=2, description="number of images for follow, evenly spaced over the split"),
        later(50, since=3),
    ] = 50
    extractor: (
        Annotated[
            str, Meta(description="feature extractor of FID and KID; default: the data set's; off: no FID")
        ]
        | None
    ) = None
    extractor_weights: Annotated[str, Meta(description="file with the extractor's weights")] | None = None
    fid_images: Annotated[int, Meta(ge=4, description="number of generated images for FID and KID")] = 2000
    temperature: Annotated[
        float, Meta(gt=0, description="scale of the prior's standard deviation when images are generated")
    ] = 1.0


FITTING = Training(lr=1e-3, weight_decay=0.0, validate=1.0, patience=5)
"""The settings of fitting a prior after the rest; a setting ``fit.KEY`` changes one."""

SETTINGS_TABLES: tuple[type[msgspec.Struct], ...] = (Training, Scoring)
"""The tables whose fields ``--set`` can change."""
