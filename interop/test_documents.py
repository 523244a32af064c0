"""The documents against what they speak of."""

import re

import pytest

from conftest import ROOT

DOCUMENTS = sorted(ROOT.glob("*.md"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_within_the_project_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]*(?:#[^)]*)?)\)", path.read_text()):
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, target


def test_the_table_of_problems_is_the_catalogue():
    source = (ROOT / "crates" / "contract" / "src" / "problem.rs").read_text()
    catalogue = re.findall(r'^    \w+ = (\d{3}), "([a-z-]+)", ".*";$', source, re.M)
    document = (ROOT / "ARCHITECTURE.md").read_text().partition("## Problems")[2].partition("\n## ")[0]
    table = re.findall(r"^\| `([a-z-]+)` \| (\d{3})", document, re.M)
    assert catalogue and [(status, slug) for slug, status in table] == catalogue


def test_the_code_map_names_every_crate():
    code_map = (ROOT / "ARCHITECTURE.md").read_text().partition("## Code map")[2].partition("\n## ")[0]
    named = re.findall(r"^  ([a-z-]+)  ", code_map.partition("functions/")[0], re.M)
    assert sorted(named) == sorted(path.parent.name for path in ROOT.glob("crates/*/Cargo.toml"))
