"""The tables of `events.sqlite`.

`asked` holds the pulses that were recorded and not yet completed; it is empty or tiny at any time, so a
pulse of unknown outcome is found without a search. Completed pulses live in `pulses` (detail `full`) or
are counted in `pulse_tally` (detail `tally`); `pulse_totals` is kept by both. What many rows share (tile,
purpose, epoch) is one row of `places`: narrow rows are what makes recording cheap. The view `pulse_log`
is for people who look into the file. Times are seconds since 1970 UTC; SI units everywhere.
"""

from .trials import TABLES as TRIAL_TABLES

EVENTS_FILE = "events.sqlite"
MANIFEST_FILE = "run.yaml"
SCHEMA_VERSION = 2
"""1 had no trials."""
APPLICATION_ID = 0x4D544A4C  # "MTJL"

STATUS_CODES = {"applied": 0, "refused": 1, "doubtful": 2}

# Level blobs are little-endian float32, NaN = floating; width is a number, or such a blob with one per row.
_ASKED_COLUMNS = """
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    place INTEGER NOT NULL,
    row_levels BLOB NOT NULL,
    column_levels BLOB NOT NULL,
    width ANY NOT NULL,
    repeat INTEGER NOT NULL"""

TABLES = f"""
CREATE TABLE places (
    id INTEGER PRIMARY KEY,
    tile INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    epoch INTEGER
) STRICT;
CREATE TABLE asked ({_ASKED_COLUMNS}
) STRICT;
CREATE TABLE pulses ({_ASKED_COLUMNS},
    status INTEGER NOT NULL,
    applied_width REAL,
    energy REAL,
    elapsed REAL,
    compliance INTEGER,
    peak_current REAL
) STRICT;
CREATE TABLE reasons (
    pulse INTEGER PRIMARY KEY,
    text TEXT NOT NULL
) STRICT;
CREATE TABLE pulse_totals (
    place INTEGER PRIMARY KEY,
    applied INTEGER NOT NULL,
    repeats INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    doubtful INTEGER NOT NULL,
    with_energy INTEGER NOT NULL,
    energy REAL NOT NULL,
    elapsed REAL NOT NULL
) STRICT;
CREATE TABLE pulse_tally (
    place INTEGER NOT NULL,
    amplitude REAL NOT NULL,
    width REAL NOT NULL,
    polarity INTEGER NOT NULL,
    status INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (place, amplitude, width, polarity, status)
) STRICT, WITHOUT ROWID;
CREATE TABLE read_totals (
    place INTEGER PRIMARY KEY,
    reads INTEGER NOT NULL,
    with_energy INTEGER NOT NULL,
    energy REAL NOT NULL,
    elapsed REAL NOT NULL
) STRICT;
CREATE VIEW pulse_log AS
SELECT pulses.id, datetime(time, 'unixepoch') AS utc, tile, purpose, epoch, width, repeat,
    CASE status WHEN 0 THEN 'applied' WHEN 1 THEN 'refused' ELSE 'doubtful' END AS status,
    applied_width, energy, elapsed, compliance, peak_current, reasons.text AS reason
FROM pulses JOIN places ON places.id = place LEFT JOIN reasons ON reasons.pulse = pulses.id;
CREATE TABLE maps (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    tile INTEGER NOT NULL,
    label TEXT NOT NULL,
    epoch INTEGER,
    rows INTEGER NOT NULL,
    columns INTEGER NOT NULL,
    resistance BLOB NOT NULL,
    state BLOB NOT NULL
) STRICT;
CREATE TABLE switching (
    id INTEGER PRIMARY KEY,
    tile INTEGER NOT NULL,
    layer INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    polarity INTEGER NOT NULL,
    requested REAL NOT NULL,
    cells INTEGER NOT NULL,
    switched INTEGER NOT NULL
) STRICT;
CREATE TABLE metrics (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    epoch INTEGER NOT NULL,
    name TEXT NOT NULL,
    value REAL
) STRICT;
CREATE TABLE arrays (
    name TEXT PRIMARY KEY,
    npy BLOB NOT NULL
) STRICT;
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    level TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
{TRIAL_TABLES}
PRAGMA user_version = {SCHEMA_VERSION};
PRAGMA application_id = {APPLICATION_ID};
"""

INSERT_PLACE = "INSERT INTO places VALUES (?,?,?,?)"
INSERT_ASKED = "INSERT INTO asked VALUES (?,?,?,?,?,?,?)"
DELETE_ASKED = "DELETE FROM asked WHERE id = ?"
INSERT_PULSE = "INSERT INTO pulses VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
INSERT_REASON = "INSERT INTO reasons VALUES (?,?)"
ADD_PULSE_TOTALS = """INSERT INTO pulse_totals VALUES (?,?,?,?,?,?,?,?)
ON CONFLICT DO UPDATE SET applied = applied + excluded.applied, repeats = repeats + excluded.repeats,
    refused = refused + excluded.refused, doubtful = doubtful + excluded.doubtful,
    with_energy = with_energy + excluded.with_energy, energy = energy + excluded.energy,
    elapsed = elapsed + excluded.elapsed"""
ADD_PULSE_TALLY = """INSERT INTO pulse_tally VALUES (?,?,?,?,?,?)
ON CONFLICT DO UPDATE SET count = count + excluded.count"""
ADD_READ_TOTALS = """INSERT INTO read_totals VALUES (?,?,?,?,?)
ON CONFLICT DO UPDATE SET reads = reads + excluded.reads, with_energy = with_energy + excluded.with_energy,
    energy = energy + excluded.energy, elapsed = elapsed + excluded.elapsed"""
INSERT_MAP = "INSERT INTO maps VALUES (NULL,?,?,?,?,?,?,?,?)"
INSERT_SWITCHING = "INSERT INTO switching VALUES (NULL,?,?,?,?,?,?,?)"
INSERT_METRIC = "INSERT INTO metrics VALUES (NULL,?,?,?,?)"
INSERT_ARRAY = "INSERT OR REPLACE INTO arrays VALUES (?,?)"
INSERT_MESSAGE = "INSERT INTO messages VALUES (NULL,?,?,?)"
