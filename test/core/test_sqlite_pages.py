"""The page reader against SQLite itself, on databases of every shape."""

from __future__ import annotations

from pathlib import Path
import sqlite3
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st
from smaknet_core.data.sqlite_pages import SqlitePages

TABLES = """
CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT);
CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB);
CREATE INDEX timestamp_idx ON messages (timestamp ASC);
INSERT INTO topics VALUES(1, '/a', 'std_msgs/msg/String', 'cdr');
"""
rows = st.lists(
    st.tuples(
        st.integers(0, 300),
        st.integers(-(2**63), 2**63 - 1),
        st.integers(0, 9000).map(lambda size: (b'0123456789abc' * 700)[:size]),
    ),
    max_size=60,
)


@given(rows, st.sampled_from([512, 1024, 4096, 65536]), st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_finds_the_rows_that_sqlite_finds(given_rows, page_size, vacuum):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'bag.db3')
        db = sqlite3.connect(path)
        db.execute(f'PRAGMA page_size = {page_size}')
        db.executescript(TABLES)
        insert = 'INSERT INTO messages(topic_id, timestamp, data) VALUES(?, ?, ?)'
        db.executemany(insert, given_rows)
        db.commit()
        if vacuum:
            db.execute('VACUUM')
        expected = db.execute('SELECT topic_id, timestamp, data FROM messages').fetchall()
        db.close()
        pages = SqlitePages(path)
        found = list(pages.rows())
        assert sorted(row[:3] for row in found) == sorted(expected)
        assert [pages.read(place) for *_, place in found] == [data for _, _, data, _ in found]
        pages.close()
