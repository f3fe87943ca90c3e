"""What mkdocs does with our pages: those of the root come along, folders list their pages, links out of the docs are checked and told as paths."""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
log = logging.getLogger("mkdocs.hooks.buildos")

# Pages that lie elsewhere in the repository, by their place on the site.
ELSEWHERE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "bench.md": "bench/README.md",
}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
FENCED = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)


def on_config(config: Any) -> Any:
    """`jobs/` in the navigation stands for the pages of that folder; a page that nobody has given a place comes under More."""
    nav = _spread(config.nav)
    placed = {*ELSEWHERE, *_places(nav)}
    more = [name for page in sorted((ROOT / "docs").rglob("*.md")) if (name := page.relative_to(ROOT / "docs").as_posix()) not in placed]
    config.nav = [*nav, {"More": more}] if more else nav
    return config


def _places(item: Any) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    for inner in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
        yield from _places(inner)


def _spread(item: Any) -> Any:
    if isinstance(item, list):
        return [_spread(each) for each in item]
    if isinstance(item, dict):
        return {name: _spread(inner) for name, inner in item.items()}
    if item.endswith("/"):
        pages = sorted(page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs" / item).glob("*.md"))
        return sorted(pages, key=lambda page: (not page.endswith("README.md"), page))
    return item


def on_files(files: Any, config: Any) -> Any:
    """The pages of ELSEWHERE are pages of the site."""
    for place, source in ELSEWHERE.items():
        files.append(File.generated(config, place, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links as they are right in the repository, made right for the site."""
    place = page.file.src_uri
    source = ELSEWHERE.get(place, f"docs/{place}")
    parts = FENCED.split(markdown)
    return "".join(
        part if part.startswith("```") else LINK.sub(lambda found: _link(found, source, place), part) for part in parts
    )


def _link(found: re.Match[str], source: str, place: str) -> str:
    picture, words, target = found.groups()
    if re.match(r"[a-z][a-z0-9+.-]*:|#", target):
        return found[0]
    path, _, anchor = target.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if not (ROOT / path).exists():
        log.warning("%s: a link leads to %s, which does not exist", source, path)
        return found[0]
    there = {where: here for here, where in ELSEWHERE.items()}.get(path)
    if there is None and path.startswith("docs/"):
        page = f"{path}/README.md" if (ROOT / path).is_dir() else path
        there = page.removeprefix("docs/") if (ROOT / page).exists() else None
    if there is None:
        return f"{words} (`{path}`)" if words.strip("`") != path else f"`{path}`"
    return f"{picture}[{words}]({posixpath.relpath(there, posixpath.dirname(place) or '.')}{'#' + anchor if anchor else ''})"
