-- Data format 3: what bodies used of what they were granted, and what they were denied.

-- A row tells what happened on one target since the row before it of the same attempt: rows are only ever added, so that nothing of an audit is
-- written over. Positions are not unique: a call that runs again may number its attempts anew.
CREATE TABLE accesses (
    id         INTEGER PRIMARY KEY,  -- the order in which the rows were written
    execution  INTEGER NOT NULL REFERENCES executions (id),
    call       INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    checkpoint TEXT NOT NULL,
    kind       TEXT NOT NULL,  -- of capability, as its flag names it
    target     TEXT NOT NULL,  -- as the guest says it
    allowed    INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    first_at   INTEGER NOT NULL,
    detail     TEXT
) STRICT;

-- The rows of an execution in order (`accesses`), and what goes when it is deleted.
CREATE INDEX accesses_by_call ON accesses (execution, call, attempt);
