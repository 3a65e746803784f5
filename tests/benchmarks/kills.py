"""Kill a run at random moments, resume it each time, and compare weights with an undisturbed run:
python -m tests.benchmarks.kills --kills 20
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vaebench import records

COMPOSE = "enc=mlp,enc.hidden=64,dec.hidden=64,latent.dim=8"
SETTINGS = ["--steps", "2000", "--set", "checkpoint=0.1", "--set", "extractor=off", "--device", "cpu"]


def start(folder: Path) -> subprocess.Popen[bytes]:
    words = ["run", "--compose", COMPOSE, *SETTINGS, "--out", str(folder), "--resume"]
    command = [sys.executable, "-c", "from vaebench.cli import main; main()", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def newest(folder: Path) -> int:
    """The step of the newest checkpoint; 0 where there is none."""
    return max((int(p.name) for p in folder.glob("checkpoints/[0-9]*")), default=0)


def main() -> None:
    """Print each kill's step, then both digests; exit 1 where they differ."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    said = parser.parse_args()
    chance = random.Random(said.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, part = Path(folder) / "whole", Path(folder) / "part"
        start(whole).wait()
        kills = 0
        while kills < said.kills:
            process = start(part)
            known = newest(part)
            while process.poll() is None and newest(part) == known:
                time.sleep(0.01)  # past the imports, so that kills meet training
            try:
                process.wait(chance.uniform(0, 0.5))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                print(f"kill {kills}: newest checkpoint {newest(part)}", flush=True)
            if (part / "record.json").exists():
                break
        start(part).wait()
        digests = [records.read(f / "record.json").weights_sha256 for f in (whole, part)]
        print(f"{kills} kills: {digests[0]} {'==' if digests[0] == digests[1] else '!='} {digests[1]}")
        sys.exit(digests[0] != digests[1])


if __name__ == "__main__":
    main()
