"""A notebook's code cells, run in order in the main module as a kernel does: ``notebook.py FILE [TAG]``."""

import json
import linecache
import sys
from pathlib import Path
from typing import Any


def cells(path: Path, tag: str | None = None) -> list[str]:
    """The text of the code cells, or of those that have a tag."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        "".join(cell["source"])
        for cell in found
        if cell["cell_type"] == "code" and tag in (None, *cell["metadata"].get("tags", ()))
    ]


def main() -> None:
    """Run the cells; the text of each is where ``inspect`` and tracebacks look for it."""
    path, *tag = sys.argv[1:]
    for number, text in enumerate(cells(Path(path), *tag)):
        name = f"<cell {number} of {Path(path).name}>"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), vars(sys.modules["__main__"]))


if __name__ == "__main__":
    main()
