"""docs/reliability.md: each of the 25 answers is held by tests that there are."""

from __future__ import annotations

import ast
from pathlib import Path
import re

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs' / 'reliability.md').read_text(encoding='utf-8')
SECTION = PAGE.partition('## What users ask for')[2].partition('\n## ')[0]
ROWS = re.findall(r'^\| (\d+) \| (.+) \|$', SECTION, re.MULTILINE)
TEST = re.compile(r'`(test/[\w/]+\.py)::(\w+)`')


def test_all_25_are_answered() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, 26))
    for number, cells in ROWS:
        asked, answer, held = cells.split(' | ')
        assert asked and answer, number  # noqa: PT018
        assert TEST.findall(held), f'{number}: no test is named'


@pytest.mark.parametrize(('path', 'name'), sorted({*TEST.findall(PAGE)}))
def test_every_test_that_is_named_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding='utf-8'))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert name in names, f'{path} has no {name}'


def test_nothing_looks_like_a_test_without_being_read() -> None:
    assert len(re.findall(r'::test_', PAGE)) == len(TEST.findall(PAGE))
