"""Tables out of a runs.csv made by hand: means, deviations, `not run`, the slides' figures."""

from __future__ import annotations

import csv
import io
import math

import pytest
from smaknet_core.ablation.invariance import invariance_table
from smaknet_core.ablation.references import Reference
from smaknet_core.ablation.runs import FILE_NAME, read_runs, Run, write_runs, write_table
from smaknet_core.ablation.slides import LAYOUTS
from smaknet_core.ablation.tables import make_table, markdown, mean_sd, percent
from smaknet_core.errors import DataError

HEAD = (
    'row,seed,system,commit,date,steps,seconds,parameters,trained_parameters,loss,alignment_error,'
    'alignment_error_both_ways,classification_error,classification_error_tcn,kendall_tau,'
    'kendall_tau_undefined,progression,progression_undefined,error'
)
MADE = f"""{HEAD}
att123,0,Att123,abc,2026-11-26,900,360.0,1081824,1081824,1.1,0.10,0.1,0.22,0.20,0.8,0,0.7,0,
att123,1,Att123,abc,2026-11-26,1100,360.0,1081824,1081824,1.2,0.14,0.1,0.26,0.24,0.9,2,0.5,0,
att12,0,SMAK-Net Att12,abc,2026-11-26,1000,360.0,1026336,1026336,1.3,0.15,0.1,,,0.5,0,,0,
att23,0,SMAK-Net Att23,abc,2026-11-26,0,,0,0,,,,,,,0,,0,"the loss became NaN, at step 3"
"""
NAMES = {line.row: line.row.upper() for layout in LAYOUTS for line in layout.lines}
ARCHITECTURES, CONFIGURATIONS, _ = LAYOUTS


@pytest.fixture
def by_row(tmp_path):
    (tmp_path / FILE_NAME).write_text(MADE)
    found = {}
    for run in read_runs(tmp_path / FILE_NAME).values():
        if not run.error:
            found.setdefault(run.row, []).append(run)
    return found


def cells(table, system):
    (row,) = [row for row in table.body if row[0] == system]
    return dict(zip(table.head, row, strict=False)), row


def test_ours_beside_the_slides(by_row):
    table = make_table(ARCHITECTURES, by_row, NAMES, [])
    _, row = cells(table, 'ATT123')
    assert table.head[:7] == (
        *('system', 'seeds', 'parameters', 'steps', 'paper', 'seconds', 'alignment error, %'),
    )
    # sd of 10 and 14 with n - 1 is 2.83; counts that are equal have none
    assert row == (
        *('ATT123', '2', '1,081,824', '1,000 ± 141', '69k', '360', '12.0 ± 2.8', '10.9'),
        *('22.0 ± 2.8', '16.1', '24.0 ± 2.8', '0.85 ± 0.07', '0.60 ± 0.14'),
    )


def test_the_other_table_has_the_slides_parameters(by_row):
    table = make_table(CONFIGURATIONS, by_row, NAMES, [])
    _, row = cells(table, 'ATT123')
    assert row[2:4] == ('1,081,824', '1082k')
    assert cells(table, 'RESNET18')[1] == (
        *('RESNET18', '0', 'not run', '1080k', 'not run', 'not run', 'not run', '13.1'),
        *('not run', '18.86', 'not run', 'not run', 'not run'),
    )


def test_a_failed_cell_is_not_run_and_one_without_labels_ran(by_row):
    table = make_table(ARCHITECTURES, by_row, NAMES, [])
    assert set(cells(table, 'ATT23')[1][2:4]) == {'not run'}
    shown, _ = cells(table, 'ATT12')
    assert shown['alignment error, %'] == '15.0'
    assert shown['classification error, %'] == '-'


def test_references_stand_below(by_row):
    references = [
        Reference('chance', 1 / 3, 0.5, 0.5, 0.0),
        Reference('constant middle', 0.25),
        Reference('features nobody has'),
    ]
    table = make_table(ARCHITECTURES, by_row, NAMES, references)
    assert [row[0] for row in table.body[table.trained :]] == [r.name for r in references]
    shown = [cells(table, reference.name)[0] for reference in references]
    assert [each['alignment error, %'] for each in shown] == ['33.3', '25.0', 'not run']
    assert [each['classification error, %'] for each in shown] == ['50.0', '', '']
    assert {each['parameters'] for each in shown} == {''}


def test_markdown_is_a_table(by_row):
    text = markdown(make_table(ARCHITECTURES, by_row, NAMES | {'att123': 'a|b'}, []))
    title, blank, *rows = text.splitlines()
    assert title == '### SMAK-Net and the multi-view TCN'
    assert not blank
    assert len(rows) == 2 + 5
    assert r'| a\|b |' in rows[-1]
    assert len({row.replace(r'\|', '').count('|') for row in rows}) == 1


def test_numbers_are_for_programs(by_row, tmp_path):
    table = make_table(ARCHITECTURES, by_row, NAMES, [Reference('chance', 1 / 3)])
    write_table(tmp_path / 't.csv', list(table.numbers[0]), table.numbers)
    text = (tmp_path / 't.csv').read_text()
    rows = {row['system']: row for row in csv.DictReader(io.StringIO(text))}
    assert float(rows['ATT123']['alignment_error']) == pytest.approx(0.12)
    assert float(rows['ATT123']['alignment_error_sd']) == pytest.approx(0.02 * math.sqrt(2))
    assert rows['ATT123']['alignment_paper'] == '10.9'
    assert rows['ATT12']['alignment_error_sd'] == ''
    assert rows['ATT13']['alignment_error'] == ''
    assert float(rows['chance']['alignment_error']) == pytest.approx(1 / 3)


def test_invariance_is_a_line_per_system(tmp_path):
    runs = [
        {'as recorded': {'alignment_error': 0.1}, 'camera +20 deg': {'alignment_error': 0.3}},
        {'as recorded': {'alignment_error': 0.2}, 'camera -10 deg': {'alignment_error': 0.4}},
    ]
    table = invariance_table({'att123': runs, 'att12': [{}]}, NAMES)
    shown, row = cells(table, 'ATT123')
    assert table.head == (
        *('system', 'seeds', 'as recorded', 'scale 0.6', 'scale 0.8', 'scale 1.25', 'scale 1.5'),
        *('brightness -25%', 'brightness +25%', 'background'),
        *('camera -10 deg', 'camera +20 deg'),
    )
    assert row[:4] == ('ATT123', '2', '15.0 ± 7.1', 'not run')
    assert row[-2:] == ('40.0', '30.0')
    assert set(cells(table, 'ATT12')[1][1:]) == {'0', 'not run'}
    assert [row[0] for row in table.body] == list(NAMES.values())
    assert invariance_table({}, NAMES).head[-1] == 'camera moved'
    write_table(tmp_path / 't.csv', list(table.numbers[0]), table.numbers)
    text = io.StringIO((tmp_path / 't.csv').read_text())
    (line,) = [row for row in csv.DictReader(text) if row['row'] == 'att123']
    assert float(line['as recorded_sd']) == pytest.approx(0.05 * math.sqrt(2))
    assert (line['scale 0.6'], line['camera +20 deg_sd']) == ('', '')


@pytest.mark.parametrize(
    ('values', 'shown'),
    [([], 'not run'), ([math.nan], '-'), ([0.1], '10.0'), ([0.1, math.nan, 0.2], '15.0 ± 7.1')],
)
def test_mean_and_deviation(values, shown):
    assert mean_sd(values, percent) == shown


def test_runs_are_read_back_as_written(tmp_path):
    runs = [
        Run('att12', 3, 'a, "b"', 'c', 'd', error='what\nnot'),
        Run('tcn', 0, 's', 'c', 'd', 5, 1.25, alignment_error=0.1),
    ]
    write_runs(tmp_path / FILE_NAME, runs)
    found = read_runs(tmp_path / FILE_NAME)
    assert list(found) == [('att12', 3), ('tcn', 0)]
    assert str(list(found.values())) == str(runs), 'NaN is not equal to itself'
    assert read_runs(tmp_path / 'none.csv') == {}


@pytest.mark.parametrize(
    'text', ['row,seed\natt12,0\n', HEAD + '\natt12\n', HEAD + '\natt12,x' + ',' * 17 + '\n']
)
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(DataError, match=r'runs\.csv: cannot be read'):
        read_runs(tmp_path / FILE_NAME)
