"""
The map of the code, held by tests: who may import whom, what stays out, what the docs name.

The table is that of docs/architecture.md. A new module goes into it here first: either it is a
step of the line of its own (LEVELS), or it was split off one (PARTS).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
import graphlib
from pathlib import Path
import re
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A module of smaknet_core imports only lower levels, and level 0 nothing above itself; packages
# (model, matching ...) are one step.
LEVELS = (
    ('types', 'errors', 'config', 'interrupts', 'processes', 'progress', 'provenance'),
    (
        'distances',
        'model',
        'overlay',
        'side_by_side',
        'data.images',
        'data.sync',
        'data.transforms',
    ),
    ('data.bags', 'data.recording_folder', 'matching', 'losses', 'metrics', 'pretrained'),
    ('data.cache', 'data.labels', 'data.quality', 'checkpoint', 'demonstration', 'engines'),
    ('data.dataset', 'data.pouring', 'data.sampler', 'embedder', 'baselines'),
    ('trainer', 'evaluation', 'explain', 'follow', 'simulation', 'report', 'doctor', 'export'),
    ('ablation',),
    ('cli',),
)
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}

# Files that belong to a step without being in a package of its name.
PARTS = {
    'mappings': 'config',
    'data.bag_folder': 'data.bags',
    'data.bag_writer': 'data.recording_folder',
    'data.cameras': 'data.bags',
    'data.noise': 'data.transforms',
    'data.clock': 'data.bags',
    'data.sqlite_pages': 'data.bags',
    'data.storage': 'data.bags',
    'data.storage_mcap': 'data.bags',
    'data.storage_sqlite': 'data.bags',
    'data.check_table': 'data.quality',
    'data.recovery': 'data.quality',
    'data.verdict': 'data.quality',
    'rating': 'demonstration',
    'run_folder': 'trainer',
    'distributed': 'trainer',
    'compiling': 'trainer',
    'training': 'trainer',
    'training_run': 'trainer',
    'schedule': 'trainer',
    'probe': 'doctor',
    'findings': 'doctor',
    'requirements': 'doctor',
    'commands': 'cli',
    'learning_commands': 'cli',
    '__main__': 'cli',
}

ROS = re.compile(
    r'rclpy|cv_bridge|launch(_\w+)?|rosbag2_py|message_filters|tf2_ros|ament_\w+|rosidl_\w+'
    r'|\w+_(msgs|interfaces|srvs)|smaknet_ros'
)
DRAWERS = {'util', 'utils', 'base', 'factory', 'registry', 'common', 'helpers', 'misc', 'tools'}


def _name(path: Path) -> str:
    """Give a source file's module name, a package's for its __init__."""
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


MODULES = {
    _name(path): path
    for package in ('smaknet_core', 'smaknet_ros')
    for path in sorted((ROOT / package).rglob('*.py'))
}
SOURCE = {name: path.read_text(encoding='utf-8') for name, path in MODULES.items()}
CORE = [name.removeprefix('smaknet_core.') for name in MODULES if name.startswith('smaknet_core.')]
CORE.remove('data')  # only a folder


def _imports(source: str) -> Iterator[str]:
    """Give every module that a source imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, 'imports are absolute'
            for alias in node.names:
                inner = f'{node.module}.{alias.name}'
                yield inner if inner in MODULES else str(node.module)


def _step(name: str) -> str:
    """Give the step that a core module (without `smaknet_core.`) belongs to; '' if unknown."""
    known = [step for step in (*LEVEL_OF, *PARTS) if f'{name}.'.startswith(f'{step}.')]
    owner = max(known, key=len, default='')
    return PARTS.get(owner, owner)


def _upward(name: str, source: str) -> list[str]:
    """Name the imports of a core module that do not go down."""
    step = _step(name)
    wrong = []
    for imported in _imports(source):
        other = _step(imported.removeprefix('smaknet_core.'))
        if LEVEL_OF.get(other, -1) >= max(LEVEL_OF.get(step, 0), 1) and other != step:
            wrong.append(f'{name} imports {imported}')
    return wrong


def test_every_core_module_is_in_the_table() -> None:
    unknown = [name for name in CORE if not _step(name)]
    assert unknown == [], f'add to LEVELS or PARTS, and to docs/architecture.md: {unknown}'


def test_table_names_only_what_exists() -> None:
    assert [step for step in (*LEVEL_OF, *PARTS) if step not in CORE] == []


def test_imports_go_down() -> None:
    wrong = [_upward(name, SOURCE[f'smaknet_core.{name}']) for name in CORE]
    assert sum(wrong, []) == []


def test_an_import_upwards_or_sideways_is_noticed() -> None:
    inner = 'def f():\n    from smaknet_core.cli import main\n'
    assert _upward('data.bags', inner)
    assert _upward('data.storage', 'from smaknet_core.data import quality')
    assert _upward('losses', 'import smaknet_core.metrics')
    assert not _upward('matching.filter', 'from smaknet_core.distances import pairwise')


def test_no_module_imports_itself_through_others() -> None:
    graph = {
        name: {other for other in _imports(source) if other in MODULES}
        for name, source in SOURCE.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError naming the cycle


def test_core_names_no_ros() -> None:
    named = {
        f'{name} imports {imported}'
        for name in CORE
        for imported in _imports(SOURCE[f'smaknet_core.{name}'])
        if ROS.fullmatch(imported.split('.')[0])
    }
    assert named == set()


def test_front_door_is_a_docstring() -> None:
    body = ast.parse(SOURCE['smaknet_core']).body
    assert len(body) == 1
    assert ast.get_docstring(ast.Module(body, [])), 'import from the modules, not from the package'


def _loaded_by(code: str) -> set[str]:
    """Run code in a fresh interpreter and give the top-level modules it loaded."""
    probe = 'import sys; before = set(sys.modules)\n{}\nprint(*set(sys.modules) - before)'
    run = subprocess.run(
        [sys.executable, '-c', probe.format(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    return {name.split('.')[0] for name in run.stdout.splitlines()[-1].split()}


def test_core_loads_no_ros() -> None:
    lines = [f'import smaknet_core.{name}' for name in CORE if name != '__main__']
    loaded = _loaded_by('\n'.join(lines))
    assert {'smaknet_core', 'torch'} <= loaded
    assert {name for name in loaded if ROS.fullmatch(name)} == set()


def test_bag_tools_load_no_torch() -> None:
    names = ('bags', 'images', 'sync', 'quality')
    loaded = _loaded_by('\n'.join(f'import smaknet_core.data.{name}' for name in names))
    assert not loaded & {'torch', 'lightning_fabric', 'matplotlib'}


def test_help_loads_next_to_nothing() -> None:
    main = 'from smaknet_core.cli import main\ntry: main(["--help"])\nexcept SystemExit: pass'
    heavy = {'torch', 'rosbags', 'cv2', 'matplotlib', 'lightning_fabric', 'scipy'}
    assert _loaded_by(main) & heavy == set()


def test_no_drawers() -> None:
    assert {name for name in MODULES if DRAWERS & set(name.split('.'))} == set()


def test_every_core_module_has_its_test() -> None:
    tests = {path.stem.removeprefix('test_') for path in (ROOT / 'test' / 'core').glob('test_*')}
    own = {name: {word.split('.')[-1] for word in (name, _step(name))} for name in CORE}
    untested = [name for name, words in own.items() if not words & tests]
    assert untested == [], f'no test/core/test_<module>.py, nor one of the step: {untested}'


# What may not be in any source: each one runs what a file or a user says.
SOURCES = [
    path
    for folder in ('smaknet_core', 'smaknet_ros', 'launch', 'examples', 'benchmarks')
    for path in sorted((ROOT / folder).rglob('*.py'))
]
UNSAFE_MODULES = {'pickle', 'cPickle', 'dill', 'cloudpickle', 'joblib', 'shelve', 'marshal'}
UNSAFE_CALLS = {
    *('eval', 'exec', 'os.system', 'os.popen'),
    *('yaml.load', 'yaml.unsafe_load', 'yaml.full_load'),
}


def _unsafe(source: str) -> list[str]:
    """Name what runs code out of files or strings; catching such a module's errors is fine."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module in UNSAFE_MODULES:
            found += [alias.name for alias in node.names if not alias.name.endswith('Error')]
        elif isinstance(node, ast.Import):
            found += [
                name.name for name in node.names if name.name in UNSAFE_MODULES and name.asname
            ]
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in UNSAFE_MODULES:
            found += [ast.unparse(node)] if not node.attr.endswith('Error') else []
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        keywords = {word.arg: ast.unparse(word.value) for word in call.keywords}
        unsafe = (
            name in UNSAFE_CALLS
            or keywords.get('shell', 'False') != 'False'
            or keywords.get('allow_pickle', 'False') != 'False'
            or (name == 'torch.load' and keywords.get('weights_only') != 'True')
        )
        if unsafe:
            found.append(f'{call.lineno}: {ast.unparse(call)}')
    return found


def test_nothing_runs_what_a_file_says() -> None:
    found = {path: _unsafe(path.read_text(encoding='utf-8')) for path in SOURCES}
    assert {path: unsafe for path, unsafe in found.items() if unsafe} == {}


@pytest.mark.parametrize(
    'source',
    [
        'import pickle; pickle.loads(data)',
        'from pickle import load',
        'import pickle as harmless',
        'eval("1")',
        'subprocess.run("ls", shell=True)',
        'yaml.load(text, Loader)',
        'torch.load(path)',
        'np.load(path, allow_pickle=True)',
    ],
)
def test_unsafe_calls_are_noticed(source: str) -> None:
    assert _unsafe(source)


def test_safe_calls_are_left_alone() -> None:
    assert not _unsafe('model.eval(); torch.load(path, weights_only=True); yaml.safe_load(text)')
    assert not _unsafe('import pickle\ntry: load()\nexcept pickle.UnpicklingError: pass')


DOCS = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
PATH = re.compile(
    r'(?<![\w./:-])((?:smaknet_core|smaknet_ros|launch|config|test|docs|benchmarks|examples'
    r'|resource|\.ci)/[\w./*-]*[\w*/])'
)
LINK = re.compile(r'\]\((?!https?:|#|mailto:)([^)#\s]+)')


def test_every_path_in_the_docs_exists() -> None:
    missing = []
    for doc in DOCS:
        text = doc.read_text(encoding='utf-8')
        missing += [path for path in PATH.findall(text) if not [*ROOT.glob(path.rstrip('/'))]]
        missing += [link for link in LINK.findall(text) if not (doc.parent / link).exists()]
    assert missing == [], f'named in README.md or docs/, but not there: {missing}'


def test_every_module_is_on_the_map() -> None:
    text = (ROOT / 'docs' / 'architecture.md').read_text(encoding='utf-8')
    paths = {path.relative_to(ROOT).as_posix() for path in MODULES.values()}
    named = set(re.findall(r'`([\w/]+\.py)`', text))
    unnamed = {path for path in paths - named if not path.endswith('__init__.py')}
    assert unnamed == set(), f'not in docs/architecture.md: {sorted(unnamed)}'
