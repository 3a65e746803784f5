"""Makes the repository's own pages part of the site, and links between files mean the same here and there.

A page under ``docs/`` links to ``../leaderboards/digits.md`` as the repository has it. In the site the README
is the first page, boards and plugins are pages, and any other file that is linked is copied beside them.
"""

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "leaderboards/*.md",
    "plugins/*/README.md",
)
ELSEWHERE = {"CONTRIBUTING.md": "set-up.md"}
"""Pages of the repository that would share their name with another page where case does not count."""
LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
FENCE = re.compile(r"^\s*```")


def on_files(files: Files, config: Any) -> Files:
    """Called by mkdocs with the site's files; adds the repository's pages."""
    for pattern in PAGES:
        for path in sorted(ROOT.glob(pattern)):
            files.append(of_repository(path.relative_to(ROOT).as_posix(), config))
    return files


def of_repository(path: str, config: Any) -> File:
    """A file of the repository as one of the site's, at the same place but for ``ELSEWHERE``."""
    return File.generated(config, ELSEWHERE.get(path, path), abs_src_path=str(ROOT / path))


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Called by mkdocs with each page's text; returns it with links that hold in the site."""
    uri = page.file.src_uri
    if uri.startswith("leaderboards/"):
        markdown = indented_by_four(markdown)
    inside = False
    lines = []
    for line in markdown.split("\n"):
        if FENCE.match(line):
            inside = not inside
        elif not inside:
            line = LINK.sub(lambda match: here(match[1], page.file, files, config), line)
        lines.append(line)
    return "\n".join(lines)


def here(target: str, source: File, files: Files, config: Any) -> str:
    """A link of the repository as a link of the site; what is no file of the repository stays as it is."""
    path, mark, fragment = target.partition("#")
    if not path or ":" in path or path.startswith("/"):
        return target
    origin = os.path.relpath(source.abs_src_path, ROOT).replace(os.sep, "/")
    place = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
    uri = ELSEWHERE.get(place, place.removeprefix("docs/"))
    if files.get_file_from_path(uri) is None:
        if not (ROOT / place).is_file():
            return target
        files.append(of_repository(place, config))
        uri = place
    return posixpath.relpath(uri, posixpath.dirname(source.src_uri) or ".") + mark + fragment


def indented_by_four(markdown: str) -> str:
    """What belongs to an item of a list, indented as Python-Markdown asks: GitHub is content with three."""
    return re.sub(r"^ {3}(?=\S)", "    ", markdown, flags=re.MULTILINE)
