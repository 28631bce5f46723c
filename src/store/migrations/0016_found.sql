-- Containers that were there before a deployment changed anything, and that no deployment had made: what is gone back to
-- until a deployment of the environment has gone live, or has been put back.
CREATE TABLE found (
    project TEXT NOT NULL,
    environment TEXT NOT NULL,
    -- The engine's.
    container TEXT NOT NULL,
    -- The name that it had, and whether it ran.
    name TEXT NOT NULL,
    is_up INTEGER NOT NULL,
    PRIMARY KEY (project, environment, container)
) WITHOUT ROWID;
