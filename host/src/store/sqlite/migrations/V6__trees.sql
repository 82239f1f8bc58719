-- Data format 6: trees of executions, each with one account of what model calls cost: an execution, what it started, what those started, and so on.

-- The execution at the top of its tree; null where it is that itself.
ALTER TABLE executions ADD COLUMN root BLOB CHECK (length(root) = 16);

-- Of older executions those are known whose parents wait for them. What was let go of had a budget of its own, and keeps it.
WITH RECURSIVE tree (exec_id, root) AS (
    SELECT exec_id, exec_id FROM executions WHERE parent IS NULL
    UNION ALL
    SELECT child.exec_id, tree.root FROM tree JOIN executions AS child ON child.parent = tree.exec_id
)
UPDATE executions SET root = tree.root FROM tree WHERE tree.exec_id = executions.exec_id AND executions.parent IS NOT NULL;

-- Whether any of a tree is left (`delete`).
CREATE INDEX executions_by_root ON executions (root) WHERE root IS NOT NULL;

-- As before, and of trees too.
CREATE TABLE model_spend_6 (
    scope      TEXT NOT NULL CHECK (scope IN ('execution', 'tree', 'flow', 'day')),
    name       ANY NOT NULL,  -- the 16 bytes of the execution or of the tree's top, the flow's name, or the day
    spent      INTEGER NOT NULL,
    unrecorded INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;

INSERT INTO model_spend_6 SELECT scope, name, spent, unrecorded FROM model_spend;

-- What each of a tree spent. No sum comes near the end of SQLite's integers: nobody has spent millions of dollars in a thousand executions.
INSERT INTO model_spend_6
SELECT 'tree', coalesce(executions.root, executions.exec_id),
    min(sum(min(spent, 9007199254740992)), 4611686018427387904), min(sum(min(unrecorded, 9007199254740992)), 4611686018427387904)
FROM model_spend JOIN executions ON executions.exec_id = model_spend.name
WHERE scope = 'execution'
GROUP BY coalesce(executions.root, executions.exec_id);

DROP TABLE model_spend;
ALTER TABLE model_spend_6 RENAME TO model_spend;

CREATE TABLE model_reserved_6 (
    scope       TEXT NOT NULL CHECK (scope IN ('execution', 'tree', 'flow', 'day')),
    name        ANY NOT NULL,
    reservation INTEGER NOT NULL REFERENCES model_reservations (id),
    PRIMARY KEY (scope, name, reservation)
) STRICT, WITHOUT ROWID;

INSERT INTO model_reserved_6 SELECT scope, name, reservation FROM model_reserved;

INSERT INTO model_reserved_6
SELECT 'tree', coalesce(executions.root, executions.exec_id), reservation
FROM model_reserved JOIN executions ON executions.exec_id = model_reserved.name
WHERE scope = 'execution';

DROP TABLE model_reserved;
ALTER TABLE model_reserved_6 RENAME TO model_reserved;

-- All accounts of a reservation, when it ends.
CREATE INDEX model_reserved_by_reservation ON model_reserved (reservation);
