-- Data format 4: who may come over the network, with what, and what they did. No column has a secret in it: secrets are 32 random bytes, of which
-- their SHA-256 is kept.

CREATE TABLE service_accounts (
    id          INTEGER PRIMARY KEY,
    account_id  BLOB NOT NULL,     -- the UUID that is shown
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    role        TEXT NOT NULL,     -- viewer, operator, author or admin
    flows       TEXT,              -- a JSON array of names, the last sign of each may be `*`; NULL: all flows
    active      INTEGER NOT NULL,  -- 0: none of its keys counts
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX service_accounts_by_account_id ON service_accounts (account_id);
CREATE UNIQUE INDEX service_accounts_by_name ON service_accounts (name);

CREATE TABLE api_keys (
    id             INTEGER PRIMARY KEY,
    key_id         BLOB NOT NULL,     -- the part of the key's text that finds it
    account        INTEGER NOT NULL REFERENCES service_accounts (id),
    name           TEXT NOT NULL,
    description    TEXT NOT NULL,
    active         INTEGER NOT NULL,
    hash           BLOB NOT NULL,     -- SHA-256 of its secret
    retained       BLOB,              -- that of the secret that it had before, which counts too
    retained_until INTEGER,           -- until then
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    rotated_at     INTEGER,           -- when it got the present secret, if that is not its first
    used_at        INTEGER            -- about when somebody last came with it: within a minute
) STRICT;

CREATE UNIQUE INDEX api_keys_by_key_id ON api_keys (key_id);
CREATE UNIQUE INDEX api_keys_by_name ON api_keys (account, name);

-- Browsers that are logged in.
CREATE TABLE sessions (
    id         INTEGER PRIMARY KEY,
    hash       BLOB NOT NULL,                     -- SHA-256 of what its cookie has
    api_key    INTEGER REFERENCES api_keys (id),  -- with which somebody logged in; NULL: with a code of the data folder's owner
    source     TEXT,                              -- from which address
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,                  -- about when it was last used: within a minute
    expires_at INTEGER NOT NULL,                  -- unless it is used before
    ends_at    INTEGER NOT NULL                   -- whatever happens
) STRICT;

CREATE UNIQUE INDEX sessions_by_hash ON sessions (hash);
CREATE INDEX sessions_by_api_key ON sessions (api_key);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Codes of log-in links that nobody has used yet.
CREATE TABLE login_codes (
    id         INTEGER PRIMARY KEY,
    hash       BLOB NOT NULL,  -- SHA-256 of the code
    expires_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX login_codes_by_hash ON login_codes (hash);
CREATE INDEX login_codes_by_expiry ON login_codes (expires_at);

-- What may be used once, and was: links that answer a question.
CREATE TABLE spent_uses (
    id         INTEGER PRIMARY KEY,
    hash       BLOB NOT NULL,    -- of what was used
    expires_at INTEGER NOT NULL  -- from then on it is refused without this row
) STRICT;

CREATE UNIQUE INDEX spent_uses_by_hash ON spent_uses (hash);
CREATE INDEX spent_uses_by_expiry ON spent_uses (expires_at);

-- Who did what. Rows are only added, and the oldest go when there are too many or they are too old.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,  -- the order in which the rows were written
    at      INTEGER NOT NULL,
    who     TEXT NOT NULL,
    via     TEXT NOT NULL,        -- with which kind of credential
    verb    TEXT NOT NULL,
    subject TEXT,                 -- to what: an execution, a flow, an account
    outcome TEXT NOT NULL,        -- done, refused or failed
    source  TEXT,                 -- from which address; NULL: on this machine
    detail  TEXT
) STRICT;

CREATE INDEX audit_by_time ON audit (at);
