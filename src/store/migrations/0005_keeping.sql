-- What makes an environment degraded while nothing is deployed there.
CREATE TABLE degraded (
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    -- Empty: the environment as a whole.
    component   TEXT NOT NULL,
    -- keeps_dying, stopped, unhealthy, not_put_back
    trouble     TEXT NOT NULL,
    -- Why, as a sentence.
    why         TEXT NOT NULL,
    -- A JSON list of lines.
    last_lines  TEXT NOT NULL,
    since       INTEGER NOT NULL,
    PRIMARY KEY (project, environment, component, trouble)
) STRICT;

-- Containers that somebody stopped: they stay so.
CREATE TABLE stopped (
    container   TEXT PRIMARY KEY,
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    seen_at     INTEGER NOT NULL
) STRICT;

-- Environments in which nothing is watched or deployed until somebody says so.
CREATE TABLE pauses (
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    -- Who paused it, for people.
    paused_by   TEXT NOT NULL,
    reason      TEXT,
    since       INTEGER NOT NULL,
    PRIMARY KEY (project, environment)
) STRICT;
