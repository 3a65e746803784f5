"""Plans: which record answers which request, and where an added component goes."""

from pathlib import Path

import msgspec
import pytest

from tests.bench.tiny import CODED, DIGITS, KNOWN, TINY, TRACK, bench, planned
from vaebench import records
from vaebench.bench.plan import answers, with_added
from vaebench.composing.resolve import resolve
from vaebench.composing.slots import SLOTS
from vaebench.composing.spec import Spec, parse
from vaebench.errors import UsageError
from vaebench.records import Record
from vaebench.requests import tracks


def test_a_record_answers_only_the_request_that_it_is_of(tmp_path: Path) -> None:
    first = bench(tmp_path, TRACK.replace(TINY, CODED), seeds=[0])
    first.go()
    (status,) = first.statuses
    record, request = status.record, status.run.request
    assert record is not None
    assert record.fit is not None
    assert answers(record, request, record.data.checksum)
    others: list[Record] = [
        msgspec.structs.replace(record, **{name: value})
        for name, value in {
            "composition": "enc=mlp",
            "seed": 1,
            "training": msgspec.structs.replace(record.training, lr=0.5),
            "scoring": msgspec.structs.replace(record.scoring, fid_images=5),
            "fit": msgspec.structs.replace(
                record.fit, settings=msgspec.structs.replace(record.fit.settings, lr=0.5)
            ),
            "data": msgspec.structs.replace(record.data, checksum="0" * 64),
            "base": records.BaseRun(weights_sha256="0" * 64, command="x", frozen=True),
        }.items()
    ]
    assert not any(answers(other, request, record.data.checksum) for other in others)
    assert not answers(msgspec.structs.replace(record, fit=None), request, record.data.checksum)


PARTS = [(slot, name) for slot, kind in SLOTS.items() for name in KNOWN.names(kind)]


@pytest.mark.parametrize(("slot", "name"), PARTS, ids=[f"{slot}={name}" for slot, name in PARTS])
def test_an_added_part_takes_its_slot_and_leaves_what_fits(slot: str, name: str) -> None:
    track = tracks.read(tracks.find("digits"))
    assert track.base is not None
    base = parse(track.base).choices
    if name == "bernoulli":
        with pytest.raises(UsageError, match="needs binary data"):
            with_added(track, f"{slot}={name}", KNOWN, DIGITS)
        return
    entry = with_added(track, f"{slot}={name}", KNOWN, DIGITS)
    found = resolve(parse(entry.compose), KNOWN, DIGITS).spec.choices
    assert found[slot].name == name
    kept = {s for s in base if found[s].name == base[s].name}
    for other in base.keys() - kept - {slot}:
        trial = {s: base[s] for s in kept if s != slot} | {slot: found[slot], other: base[other]}
        with pytest.raises(UsageError):
            resolve(Spec(trial), KNOWN, DIGITS)


def test_an_added_component_runs_beside_the_tracks_own(tmp_path: Path) -> None:
    work = bench(tmp_path, added=["latent.dim=5", "prior=mog,prior.components=3"], seeds=[0])
    assert [status.run.added for status in work.statuses] == [False, True, True]
    said = [status.run.request.compose for status in work.statuses[1:]]
    assert "enc.hidden=8" in said[0]
    assert "latent=gaussian,latent.dim=5" in said[0]
    assert "latent.dim=2,prior=mog,prior.components=3" in said[1]
    with pytest.raises(UsageError, match="did you mean mog"):
        planned(tmp_path, added=["prior=mgo"])
    with pytest.raises(UsageError, match="no entry of track tiny contains resnet"):
        planned(tmp_path, only="resnet")
