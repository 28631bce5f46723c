-- What the hooks on the server are told of each deployment: its beginning and its end, each once.
CREATE TABLE hooks (
    -- In the order in which it happened.
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment INTEGER NOT NULL REFERENCES deployments (id),
    -- deployment-started, deployment-succeeded, ...
    event      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- none (there is no such hook), done, failed, killed, refused; absent until then
    outcome    TEXT,
    ended_at   INTEGER,
    UNIQUE (deployment, event)
) STRICT;
CREATE INDEX hooks_waiting ON hooks (number) WHERE outcome IS NULL;
