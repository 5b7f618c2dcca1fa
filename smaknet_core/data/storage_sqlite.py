"""
Sqlite3 file to raw messages: every schema rosbag2 has had, from Crystal on.

The file is opened immutable, so neither locks nor journals are written beside it. What a killed
recorder had committed to a write-ahead log is merged in a temporary copy. A transaction that it
never finished, which SQLite would roll back, is read page by page: it is most of the recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import shutil
import sqlite3
import struct
import tempfile
from typing import Final

from smaknet_core.data.sqlite_pages import SqlitePages
from smaknet_core.data.storage import MessageIndex, modern_type, plain_message, StoredTopic
from smaknet_core.errors import BagError

MAGIC: Final = b'SQLite format 3\0'
# What a database can raise whose pages are not what they should be.
_DAMAGE: Final = (sqlite3.Error, struct.error, LookupError, TypeError, ValueError, MemoryError)


class SqliteFile:
    """A rosbag2 .db3 file open for reading; see `StorageFile`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.topics: dict[int, StoredTopic] = {}
        self.index = MessageIndex()
        self.damage = _why_unfinished(path)
        self.cut = bool(self.damage)
        self._pages: SqlitePages | None = None
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._db = self._connect()
        try:
            self._scan()
        except _DAMAGE as err:
            self.close()
            reason = f'no rosbag2 recording, or cut at its very start ({err})'
            raise BagError(f'{path}: {reason}') from err
        self.index.finish()

    def read(self, row: int) -> bytes:
        """Return the serialised message of one row of the index; raise BagError."""
        place = int(self.index.place[row, 0])
        if self._pages is not None:
            return plain_message(self._pages.read(place))
        query = 'SELECT data FROM messages WHERE id = ?'
        try:
            (data,) = self._db.execute(query, (place,)).fetchone()
        except (sqlite3.Error, TypeError) as err:
            raise BagError(f'{self.path}: message {place} cannot be read ({err})') from err
        return plain_message(bytes(data))

    def close(self) -> None:
        """Release the file."""
        self._db.close()
        if self._pages is not None:
            self._pages.close()
        if self._copy is not None:
            self._copy.cleanup()

    def _connect(self) -> sqlite3.Connection:
        log = _beside(self.path, '-wal')
        if not log.is_file() or not log.stat().st_size:
            uri = f'{self.path.absolute().as_uri()}?immutable=1'
            return sqlite3.connect(uri, uri=True, check_same_thread=False)
        self._copy = tempfile.TemporaryDirectory(prefix='smaknet-')
        for path in (self.path, log):
            shutil.copyfile(path, Path(self._copy.name, path.name))
        return sqlite3.connect(Path(self._copy.name, self.path.name), check_same_thread=False)

    def _scan(self) -> None:
        # Without this SQLite refuses to open a file that is shorter than its header says.
        self._db.execute('PRAGMA writable_schema = ON')
        # Pictures are long chains of pages; mapped, they are read faster. Not all of an hour: it
        # would count as this process's memory.
        self._db.execute(f'PRAGMA mmap_size = {2**28}')
        self._read_topics()
        if self.cut:
            self._scan_pages()
            return
        try:
            for rowid, topic, stamp, data in self._rows():
                self._note(topic, stamp, data, rowid)
        except sqlite3.DatabaseError as err:
            self._scan_pages()
            self.damage = f'damaged, so it was read page by page ({err})'

    def _scan_pages(self) -> None:
        self.index = MessageIndex()
        self._pages = SqlitePages(self.path)
        for topic, stamp, data, place in self._pages.rows():
            self._note(topic, stamp, data, place)

    def _rows(self) -> Iterator[tuple[int, int, int, bytes]]:
        # In the table's own order: the timestamp index may lie beyond a cut, and sorting here
        # would sort the pictures as well.
        query = 'SELECT id, topic_id, timestamp, data FROM messages NOT INDEXED ORDER BY id'
        yield from self._db.execute(query)

    def _note(self, topic: int, stamp: int, data: bytes, place: int) -> None:
        if topic not in self.topics or not isinstance(stamp, int) or not isinstance(data, bytes):
            return
        try:
            self.index.add(stamp, topic, plain_message(data), (place, 0, 0))
        except BagError as err:
            self.damage = f'message {place} is lost ({err})'

    def _read_topics(self) -> None:
        definitions = self._read_definitions()
        cursor = self._db.execute('SELECT * FROM topics ORDER BY id')
        columns = [column[0] for column in cursor.description]
        for values in cursor:
            row = dict(zip(columns, values, strict=True))
            if not (_is_text(row['name']) and _is_text(row['type'])):
                continue  # of a page that was cut
            definition = definitions.get(row['type'], ('', ''))
            self.topics[row['id']] = StoredTopic(
                row['id'],
                row['name'],
                modern_type(row['type']),
                str(row['serialization_format']),
                *definition,
                str(row.get('offered_qos_profiles') or ''),  # Crystal had none
            )

    def _read_definitions(self) -> dict[str, tuple[str, str]]:
        """Read type -> definition and its format; bags before Iron have no such table."""
        columns = 'topic_type, encoded_message_definition, encoding'
        try:
            rows = self._db.execute(f'SELECT {columns} FROM message_definitions').fetchall()
        except sqlite3.DatabaseError:
            return {}
        return {str(row[0]): (str(row[1]), str(row[2])) for row in rows}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and '\0' not in value


def _why_unfinished(path: Path) -> str:
    """Say why a database's own tree of pages cannot be relied on; '' if it can."""
    with path.open('rb') as file:
        header = file.read(100)
    page = int.from_bytes(header[16:18], 'big')
    page = 65536 if page == 1 else max(page, 512)
    numbers = struct.unpack('>25I', header.ljust(100, b'\0'))
    changes, pages, counted_at = numbers[6], numbers[7], numbers[23]
    size = path.stat().st_size
    # The page count is only valid if it was written by the last change.
    expected = pages * page if changes == counted_at else size
    if size < expected or size % page:
        # SQLite would fill what is missing of the last page with zeros.
        return 'cut: it is shorter than its header says'
    if size > expected or _is_hot(_beside(path, '-journal')):
        return 'cut: its last transaction was never finished'
    return ''


def _is_hot(journal: Path) -> bool:
    """Whether a rollback journal belongs to an unfinished transaction."""
    if not journal.is_file():
        return False
    with journal.open('rb') as file:
        return file.read(8) == b'\xd9\xd5\x05\xf9\x20\xa1\x63\xd7'


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
