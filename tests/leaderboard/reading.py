"""Pages read back with a markdown parser."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

from vaebench.leaderboard import pages
from vaebench.records import Record

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@dataclass
class Read:
    """What a page is made of, in order."""

    headings: list[str] = field(default_factory=list)
    tables: list[list[list[str]]] = field(default_factory=list)
    """Tables of rows of cells, the head first, each cell as the text that a person sees."""
    fences: list[str] = field(default_factory=list)
    """Code blocks of list items."""
    links: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)


def texts(board: Sequence[Record]) -> dict[str, str]:
    """The markdown of a board's pages."""
    return {name: content.decode() for name, content in pages(board).items() if name.endswith(".md")}


def text_of(inline: Token) -> str:
    return "".join(child.content for child in inline.children or [])


def inline(markdown: str) -> str:
    """The text that a person sees of one inline piece; fails where it is more than text and code."""
    (token,) = PARSER.parseInline(markdown)
    assert {child.type for child in token.children or []} <= {"text", "text_special", "code_inline"}
    return text_of(token)


def read_page(markdown: str) -> Read:
    page = Read()
    before = ""
    for token in PARSER.parse(markdown):
        page.kinds |= {token.type, *(child.type for child in token.children or [])}
        if token.type == "table_open":
            page.tables.append([])
        elif token.type == "tr_open":
            page.tables[-1].append([])
        elif token.type == "fence":
            assert token.level == 2, f"a code block fell out of its list: {token.content}"
            page.fences.append(token.content)
        elif token.type in ("html_block", "html_inline"):
            page.html.append(token.content)
        elif token.type == "inline":
            children = token.children or []
            page.links += [str(child.attrs["href"]) for child in children if child.type == "link_open"]
            page.pictures += [str(child.attrs["src"]) for child in children if child.type == "image"]
            page.html += [child.content for child in children if child.type == "html_inline"]
            if before == "heading_open":
                page.headings.append(text_of(token))
            elif before in ("th_open", "td_open"):
                page.tables[-1][-1].append(text_of(token))
        before = token.type
    return page
