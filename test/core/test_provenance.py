"""Where figures come from: the commit, the machine."""

from __future__ import annotations

from pathlib import Path
import re

from smaknet_core import provenance


def test_it_is_of_this_checkout_or_of_the_package():
    assert (provenance.ROOT / 'smaknet_core' / 'provenance.py').samefile(provenance.__file__)
    if (provenance.ROOT / '.git').exists():
        assert re.fullmatch(r'[0-9a-f]{10}\+?', provenance.code_version())


def test_without_a_checkout_it_is_the_package_version(monkeypatch):
    monkeypatch.setattr(provenance, 'ROOT', Path('/nowhere'))
    assert re.fullmatch(r'\d+\.\d+\.\d+|unknown', provenance.code_version.__wrapped__())


def test_the_machine_has_cores():
    assert re.search(r', \d+ cores', provenance.machine())
    assert re.fullmatch(r'Python 3\.\d+\.\d+, torch \d.*', provenance.software())
