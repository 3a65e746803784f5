"""Arbitrary valid records, with few enough names and protocols that they meet in sections and rows."""

import struct
import zlib
from dataclasses import dataclass
from random import Random

from hypothesis import settings
from hypothesis import strategies as st

from vaebench.records import (
    Budget,
    Data,
    Environment,
    Estimate,
    Fid,
    LikelihoodScore,
    Missing,
    PartOrigin,
    Pictures,
    Record,
    Scores,
)
from vaebench.settings import Scoring, Training

laws = settings(max_examples=20)

FRAGMENTS = [
    *["|", "||", "\\|", "\\", "`", "```", "``` \n", "<", "<script>alert(1)</script>", "<!--", "-->", "&lt;"],
    *["&", "[x](http://example.com)", "![x](y.png)", "[", "]", "*b*", "_i_", "~~s~~", "$x$", ":tada:", "#1"],
    *[
        "\n",
        "\r\n",
        "\n\n# title\n\n",
        "\n- item",
        "\n| a | b |",
        "\x00",
        "\x1b[31m",
        "\u202e",
        "\u2028",
        "\t",
    ],
    *["\u200b", "@someone", "a@b.co", "http://example.com", "www.example.com", "WWW.example.com", "> quote"],
    *["1. item", "---", " ", "漢字"],
]
hostile = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=6).map("".join)

COMPOSITIONS = [f"enc={enc},latent=gaussian,prior={prior}" for enc in "ab" for prior in "pq"]
CHECKSUMS = ["0" * 64, "0123456789abcdef" * 4]


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    checksum = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + checksum


def png(width: int, height: int, grey: bytes, *beside: bytes) -> bytes:
    """A grey PNG filled with some levels over and over; ``beside`` are chunks before its pixels."""
    line = b"\0" + (grey * width)[:width]
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(line * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(beside) + pixels + chunk(b"IEND", b"")


@dataclass(frozen=True)
class Making:
    """Makes a record out of chance and a few texts; a class, so that its parts share both."""

    chance: Random
    names: list[str]
    compositions: list[str]
    texts: list[str]

    def number(self) -> float:
        """Any magnitude, either sign, sometimes zero."""
        return self.chance.choice([0.0, 1.0, -1.0]) * 10 ** self.chance.uniform(-12, 12)

    def text(self) -> str:
        return self.chance.choice(self.texts)

    def estimate(self) -> Estimate:
        return Estimate(
            nats=self.number(),
            nats_se=abs(self.number()),
            bits_per_dim=self.number(),
            bits_per_dim_se=abs(self.number()),
        )

    def data(self) -> Data:
        levels = self.chance.choice([2, 17, 17, 17, 256])
        return Data(
            spec=self.chance.choice(self.names),
            name=self.chance.choice(self.names),
            channels=1,
            height=8,
            width=8,
            levels=levels,
            train=1297,
            validation=140,
            test=360,
            checksum=self.chance.choice(CHECKSUMS),
            binarisation=self.text() if levels == 2 else None,
        )

    def likelihood(self) -> LikelihoodScore:
        bound = self.chance.choice(["iwae", "iwae", "two-part", "exact"])
        return LikelihoodScore(
            images=360,
            bound=bound,
            samples=self.chance.choice([10, 100]) if bound == "iwae" else 1,
            exact_prior=self.chance.random() < 0.5,
            nll=self.estimate(),
            elbo=self.estimate(),
            rate=self.estimate(),
            distortion=self.estimate(),
            rate_per_group={self.text(): self.number()},
            active_units={"z": 3},
            units={"z": 8},
            perplexity=self.chance.choice([{}, {self.text(): abs(self.number())}]),
        )

    def fid(self) -> Fid | Missing:
        if self.chance.random() < 0.4:
            return Missing(why=self.text())
        return Fid(
            extractor=self.text(),
            weights_sha256=self.chance.choice(CHECKSUMS),
            features=64,
            images=self.chance.choice([50, 2000]),
            reference=self.text(),
            reference_images=1297,
            fid=self.number(),
            fid_extrapolated=self.number(),
            kid=self.number(),
            kid_se=abs(self.number()),
            few_images=self.chance.random() < 0.5,
            temperature=1.0,
        )

    def part(self) -> PartOrigin:
        return PartOrigin(
            name=self.text(),
            package=self.chance.choice(["vaebench", self.text()]),
            package_version=self.chance.choice(["0.1", "0.2"]),
            parameters={self.text(): self.chance.choice([self.number(), self.text(), None, 3, [1, 2]])},
            source_sha256=self.chance.choice([None, *CHECKSUMS]),
        )

    def picture(self) -> bytes:
        """A PNG, a damaged one, or no such thing."""
        whole = png(self.chance.randrange(1, 40), self.chance.randrange(1, 9), self.chance.randbytes(8))
        place = self.chance.randrange(len(whole))
        damaged = whole[:place] + self.chance.randbytes(1) + whole[place + 1 :]
        return self.chance.choice([whole, whole, damaged, whole[:place], self.text().encode(), b""])

    def training(self) -> Training:
        steps, epochs = self.chance.choice([(10, None), (20, None), (None, 2.0), (20, 2.0)])
        return Training(steps=steps, epochs=epochs, lr=self.chance.choice([1e-3, 3e-4]))

    def budget(self, diverged: bool) -> Budget:
        return Budget(
            images=self.chance.randrange(3000),
            steps=10,
            skipped=0,
            train_seconds=abs(self.number()),
            images_per_second=abs(self.number()),
            score_seconds=1.0,
            peak_memory_mb=1.0,
            parameters=self.chance.randrange(10**10),
            stopped="diverged" if diverged else self.chance.choice(["budget", "budget", "patience"]),
        )

    def record(self) -> Record:
        diverged = self.chance.random() < 0.2
        scores = Scores(likelihood=self.likelihood(), fid=self.fid(), histogram_bits_per_dim=self.number())
        return Record(
            run=self.text(),
            created=self.text(),
            status="diverged" if diverged else "ok",
            composition=self.chance.choice(self.compositions),
            parts={self.text(): self.part() for _ in range(self.chance.randrange(3))},
            data=self.data(),
            training=self.training(),
            scoring=Scoring(noise_seed=self.chance.randrange(3)),
            seed=self.chance.choice([0, 1, 2, 3, self.chance.randrange(-(2**80), 2**80)]),
            scores=None if diverged else scores,
            budget=self.budget(diverged),
            pictures=Pictures(samples=self.picture(), reconstructions=self.picture())
            if self.chance.random() < 0.5
            else None,
            environment=Environment(
                device="cpu", platform=self.text(), python="3", versions={"torch": self.text()}
            ),
            command=self.text(),
        )


chance = st.integers(0, 2**32).map(Random)
records = st.builds(
    Making, chance, st.just(["digits", "mnist"]), st.just(COMPOSITIONS), st.just(["here", "there"])
).map(Making.record)
texts = st.lists(hostile, min_size=1, max_size=4)
hostile_records = st.builds(Making, chance, texts, texts, texts).map(Making.record)

boards = st.lists(records, max_size=12)
hostile_boards = st.lists(hostile_records, max_size=4)
