"""Settings of training and of scoring: frozen, with a range and a meaning for each, all in the record.

A new setting is marked with ``later``: what its absence means in the records and runs that are there.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vaebench.storage.later import later


class Training(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model is trained. Zero switches a threshold or an average off."""

    steps: (
        Annotated[
            int,
            Meta(ge=1, description="optimiser steps; given neither steps nor epochs, the data's own budget"),
        ]
        | None
    ) = None
    epochs: Annotated[float, Meta(gt=0, description="passes over the training split")] | None = None
    batch: Annotated[int, Meta(ge=1, description="images per step")] = 64
    optimiser: Annotated[Literal["adamw", "adam", "adamax"], Meta(description="update rule")] = "adamw"
    lr: Annotated[float, Meta(gt=0, description="peak learning rate; default: the data's own")] | None = None
    beta1: Annotated[float, Meta(ge=0, lt=1, description="decay of the gradient's average")] = 0.9
    beta2: Annotated[float, Meta(ge=0, lt=1, description="decay of the squared gradient's average")] = 0.99
    eps: Annotated[float, Meta(gt=0, description="the optimiser's denominator floor")] = 1e-8
    weight_decay: Annotated[float, Meta(ge=0, description="decoupled for adamw, else added to gradients")] = (
        0.01
    )
    warmup: Annotated[int, Meta(ge=0, description="steps of linear learning-rate warm-up")] = 50
    schedule: Annotated[
        Literal["constant", "cosine", "exponential"], Meta(description="learning rate after warm-up")
    ] = "cosine"
    lr_end: Annotated[float, Meta(ge=0, le=1, description="cosine: last rate as a share of the peak")] = 0.01
    lr_decay: Annotated[float, Meta(gt=0, le=1, description="exponential: factor per epoch")] = 0.95
    clip: Annotated[float, Meta(ge=0, description="gradient norm is clipped to this; 0 is off")] = 200.0
    skip: Annotated[
        float, Meta(ge=0, description="steps with a larger gradient norm are skipped; 0 is off")
    ] = 0.0
    skip_limit: Annotated[int, Meta(ge=1, description="skips in a row that end the run as diverged")] = 10
    ema: Annotated[
        float, Meta(ge=0, lt=1, description="decay of the weight average that is scored; 0 is off")
    ] = 0.99
    ema_warmup: Annotated[
        bool,
        Meta(description="the average's decay rises, (1 + t) / (10 + t) after t updates, up to ema"),
        later(False, since=5),
    ] = True
    precision: Annotated[Literal["float32", "bf16"], Meta(description="networks' arithmetic in training")] = (
        "float32"
    )
    validate: Annotated[float, Meta(ge=0, description="epochs between validations; 0 is never")] = 2.0
    patience: Annotated[
        int, Meta(ge=0, description="validations without a better bound before stopping; 0 is off")
    ] = 0
    keep_best: Annotated[bool, Meta(description="score the weights of the best validation, not the last")] = (
        True
    )
    checkpoint: Annotated[float, Meta(gt=0, description="seconds between checkpoints")] = 60.0
    recompute: Annotated[
        bool,
        Meta(description="compute activations again for the gradient: less memory, more time"),
        later(False, since=1),
    ] = False
    compile: Annotated[
        bool,
        Meta(description="compile deep networks' blocks: minutes at first, then faster steps"),
        later(False, since=4),
    ] = False
    shift: (
        Annotated[float, Meta(description="the encoder sees (x - shift) / scale; default: -1 to 1")] | None
    ) = None
    scale: Annotated[float, Meta(gt=0, description="see shift")] | None = None


class Scoring(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model is scored: the protocol, without which numbers are not comparable."""

    samples: (
        Annotated[
            int,
            Meta(ge=1, description="K of the importance-weighted bound; default 100, 10 for several groups"),
        ]
        | None
    ) = None
    score_batch: Annotated[int, Meta(ge=1, description="rows (images x samples) per scoring step")] = 2000
    noise_seed: Annotated[int, Meta(ge=0, le=2**62, description="seed of scoring's and sampling's noise")] = 0
    follow: Annotated[
        int,
        Meta(ge=0, description="follow the bound up to this K on a few images; 0 is off"),
        later(0, since=3),
    ] = 0
    follow_images: Annotated[
        int, Meta(ge=2, description="images, spread over the split, for follow"), later(50, since=3)
    ] = 50
    extractor: (
        Annotated[str, Meta(description="feature extractor of FID and KID; default: the data's; off: skip")]
        | None
    ) = None
    extractor_weights: Annotated[str, Meta(description="file of the extractor's weights")] | None = None
    fid_images: Annotated[int, Meta(ge=4, description="generated images for FID and KID")] = 2000
    temperature: Annotated[float, Meta(gt=0, description="spread of the prior when images are generated")] = (
        1.0
    )


FITTING = Training(lr=1e-3, weight_decay=0.0, validate=1.0, patience=5)
"""How a prior is fitted after the rest unless a setting ``fit.KEY`` says otherwise."""

SETTINGS_TABLES: tuple[type[msgspec.Struct], ...] = (Training, Scoring)
