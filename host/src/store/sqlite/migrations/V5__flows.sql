-- Data format 5: published flows, and starts that can be asked for again.

-- A flow that has versions, or had some.
CREATE TABLE flows (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL,
    latest INTEGER NOT NULL  -- the latest version that it ever had: no number is given twice
) STRICT;

-- A flow by its name (`publish`, and whatever names one).
CREATE UNIQUE INDEX flows_by_name ON flows (name);

-- A version of a flow. Rows are added and removed, and never changed.
CREATE TABLE deployments (
    id            INTEGER PRIMARY KEY,
    flow          INTEGER NOT NULL REFERENCES flows (id),
    version       INTEGER NOT NULL,
    deployment_id BLOB NOT NULL CHECK (length(deployment_id) = 16),
    component     BLOB NOT NULL CHECK (length(component) = 32),  -- SHA-256; its bytes are in `components/`
    schema        TEXT NOT NULL,  -- JSON Schema of the input
    spec          TEXT NOT NULL,  -- what executions begin with, as JSON
    created_by    TEXT NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;

-- A version by its number, and those of a flow in order.
CREATE UNIQUE INDEX deployments_by_version ON deployments (flow, version);

-- Which versions have a tag. All rows of a tag in a flow agree on whether it is exclusive; of an exclusive one there is one.
CREATE TABLE deployment_tags (
    flow       INTEGER NOT NULL REFERENCES flows (id),
    tag        TEXT NOT NULL,
    deployment INTEGER NOT NULL REFERENCES deployments (id),
    exclusive  INTEGER NOT NULL,
    PRIMARY KEY (flow, tag, deployment)
) STRICT, WITHOUT ROWID;

-- The tags of a version, wherever it is shown, and when it is removed.
CREATE INDEX deployment_tags_by_deployment ON deployment_tags (deployment);

-- Keys that clients gave with a start, written together with the execution.
CREATE TABLE starts (
    caller  TEXT NOT NULL,
    key     TEXT NOT NULL,
    request BLOB NOT NULL CHECK (length(request) = 32),  -- BLAKE3 of what was asked
    exec_id BLOB NOT NULL CHECK (length(exec_id) = 16),
    at      INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;

-- Which keys are forgotten (`create_once`).
CREATE INDEX starts_by_age ON starts (at);
