"""
Run every speed benchmark and write docs/performance.md: what `make bench` does.

    python benchmarks/run_all.py            # all of them
    python benchmarks/run_all.py engines    # only some; the other parts of the page stay
"""

from __future__ import annotations

from pathlib import Path
import re
import subprocess
import sys
import time

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / 'docs' / 'performance.md'
PARTS = (
    'engines',
    'alternatives',
    'latency',
    'decoding',
    'matching_speed',
    'ingest',
    'training',
    'simulation_speed',
    'start',
)
TIMEOUT_S = 900


def run(script: str) -> str:
    """Run one benchmark; give what it printed, or end with what went wrong."""
    start = time.monotonic()
    print(f'{script} ...', end=' ', flush=True)
    done = subprocess.run(
        [sys.executable, str(HERE / f'{script}.py')],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        sys.exit(f'failed: {(done.stderr or done.stdout).strip()}')
    print(f'{time.monotonic() - start:.0f} s')
    return done.stdout.strip()


def replace_part(page: str, script: str, text: str) -> str:
    """Put a benchmark's output between its marks."""
    begin, end = f'<!-- {script} -->', f'<!-- end of {script} -->'
    block = f'{begin}\n{text}\n{end}'
    pattern = re.compile(f'{re.escape(begin)}.*?{re.escape(end)}', re.DOTALL)
    if not pattern.search(page):
        sys.exit(f'{PAGE}: has no place for {script}: {begin}')
    return pattern.sub(lambda _: block, page)


def main() -> None:
    """Run what is asked for and rewrite the page after each."""
    asked = sys.argv[1:] or list(PARTS)
    unknown = set(asked) - set(PARTS)
    if unknown:
        sys.exit(f'no benchmark {", ".join(sorted(unknown))}; there are {", ".join(PARTS)}')
    for script in asked:
        text = run(script)
        page = PAGE.read_text(encoding='utf-8')
        PAGE.write_text(replace_part(page, script, text), encoding='utf-8')


if __name__ == '__main__':
    main()
