"""One tree of errors, and names that a terminal shows instead of obeying."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from smaknet_core import errors
from smaknet_core.errors import printable, SmaknetError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]


@pytest.mark.parametrize('kind', KINDS)
def test_every_error_is_caught_by_its_base_and_drawn_in_the_tree(kind):
    assert issubclass(kind, SmaknetError)
    assert kind.__name__ in errors.__doc__


@given(st.text(st.characters(exclude_categories=())))
@settings(derandomize=True)
def test_printable_text_is_one_line_that_can_be_written(text):
    shown = printable(text)
    assert len(shown) == len(text)
    assert shown.isprintable()
    shown.encode()
    assert printable(shown) == shown


def test_terminal_escapes_lose_their_power():
    assert printable('a\x1b[31mb\r\nc') == 'a�[31mb��c'
    assert printable('Grüße, ロボット') == 'Grüße, ロボット'


def test_what_a_terminal_would_obey_is_replaced():
    bad = '\N{REPLACEMENT CHARACTER}'
    assert printable('tidy \x1b[31mup\n\u202e ü') == f'tidy {bad}[31mup{bad}{bad} ü'
    assert printable('plain äöü 漢') == 'plain äöü 漢'
