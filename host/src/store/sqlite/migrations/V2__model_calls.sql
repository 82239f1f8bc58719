-- Data format 2: what is kept of model calls. Amounts of money are billionths of a US dollar.

-- What became of each tracked call, written in the step that ends it. Positions are not unique: a call that runs again may number its attempts
-- anew, and a record of money spent is never replaced.
CREATE TABLE model_calls (
    id        INTEGER PRIMARY KEY,
    execution INTEGER NOT NULL REFERENCES executions (id),
    call      INTEGER NOT NULL,  -- the durable call: this one, or the checkpoint around it
    attempt   INTEGER NOT NULL,
    ordinal   INTEGER NOT NULL,
    name      TEXT NOT NULL,
    flow      TEXT NOT NULL,
    day       INTEGER NOT NULL,  -- days since 1 January 1970, UTC
    at        INTEGER NOT NULL,
    spent     INTEGER NOT NULL,
    event     BLOB CHECK (length(event) = 16),
    usage     TEXT NOT NULL,  -- a JSON array
    policies  TEXT NOT NULL,  -- JSON
    events    TEXT NOT NULL  -- JSON Lines. Last, for it is long: who reads what comes before does not read it
) STRICT;

-- The records of an execution in order (`model_calls`, `model_usage`), and what goes when it is deleted.
CREATE INDEX model_calls_by_call ON model_calls (execution, call, attempt, ordinal);
-- Records by day (`model_usage_of`), of one flow or of all.
CREATE INDEX model_calls_by_flow ON model_calls (flow, day);
CREATE INDEX model_calls_by_day ON model_calls (day);

-- Open questions that stand for a model that is missing (`waits_for_models`): few, whatever else waits.
CREATE INDEX waits_for_models ON waits (resolution) WHERE resolution IS NULL AND instr(metadata, '"missing_model":true') > 0;

-- What was spent, by account. `spent` is the sum of the records that were written here, also of those that are deleted by now; `unrecorded` is
-- what was set aside for calls of which no record tells.
CREATE TABLE model_spend (
    scope      TEXT NOT NULL CHECK (scope IN ('execution', 'flow', 'day')),
    name       ANY NOT NULL,  -- the execution's 16 bytes, the flow's name, or the day
    spent      INTEGER NOT NULL,
    unrecorded INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;

-- Amounts that are set aside until the record of their call is written. An identifier is never given twice: who settles late finds nothing.
CREATE TABLE model_reservations (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    runner     TEXT NOT NULL,  -- whose call it is for: `runners/<runner>.lock` is locked while it lives
    event      BLOB CHECK (length(event) = 16),  -- the call, if there will be a record of it
    amount     INTEGER NOT NULL,
    is_settled INTEGER NOT NULL DEFAULT 0,  -- the amount is what the call did cost
    at         INTEGER NOT NULL
) STRICT;

-- What the record of a call takes the place of (`append`).
CREATE INDEX model_reservations_by_event ON model_reservations (event) WHERE event IS NOT NULL;

-- The accounts that a reservation is made in.
CREATE TABLE model_reserved (
    scope       TEXT NOT NULL CHECK (scope IN ('execution', 'flow', 'day')),
    name        ANY NOT NULL,
    reservation INTEGER NOT NULL REFERENCES model_reservations (id),
    PRIMARY KEY (scope, name, reservation)
) STRICT, WITHOUT ROWID;

-- All accounts of a reservation, when it ends.
CREATE INDEX model_reserved_by_reservation ON model_reserved (reservation);

-- Answers of models that may be given again.
CREATE TABLE model_answers (
    id         INTEGER PRIMARY KEY,
    key        BLOB NOT NULL CHECK (length(key) = 32),
    bytes      INTEGER NOT NULL,  -- of the answer
    last_use   INTEGER NOT NULL,  -- grows with every use of any answer
    expires_at INTEGER,
    blob       BLOB CHECK (length(blob) = 32),  -- the large value that `answer` names
    answer     BLOB NOT NULL
) STRICT;

-- An answer by what makes its call the call that it is (`answer`).
CREATE UNIQUE INDEX model_answers_by_key ON model_answers (key);
-- Which one makes room (`keep_answer`).
CREATE INDEX model_answers_by_use ON model_answers (last_use);
-- Which are too old (`keep_answer`, `forget_answers`).
CREATE INDEX model_answers_by_expiry ON model_answers (expires_at) WHERE expires_at IS NOT NULL;
-- Whether a large value is needed (`sweep`).
CREATE INDEX model_answers_by_blob ON model_answers (blob) WHERE blob IS NOT NULL;

-- How many answers there are, how many bytes, and how often any was used; kept up to date with them.
CREATE TABLE model_answers_size (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    entries INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    uses    INTEGER NOT NULL
) STRICT;

INSERT INTO model_answers_size (id, entries, bytes, uses) VALUES (1, 0, 0, 0);
