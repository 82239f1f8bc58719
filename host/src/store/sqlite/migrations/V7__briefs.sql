-- Data format 7: what lists say of executions, so that they need not read journals.

-- What an execution's journal and records of model calls come to, up to a place in both. It follows from those, and may be missing.
CREATE TABLE briefs (
    execution   INTEGER PRIMARY KEY REFERENCES executions (id),
    records     INTEGER NOT NULL,  -- of the journal
    model_calls INTEGER NOT NULL,  -- the position of the last record of a model call
    brief       TEXT NOT NULL  -- JSON
) STRICT;

-- The newest record of an execution (`briefs`), and those after a position (`model_usage_after`).
CREATE INDEX model_calls_by_execution ON model_calls (execution);
