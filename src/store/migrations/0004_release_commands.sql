-- Release commands that have begun: going back does not undo what they did.
CREATE TABLE release_commands (
    deployment INTEGER NOT NULL REFERENCES deployments (id),
    component  TEXT NOT NULL,
    -- It was seen to have ended with exit code 0, and is not run again for this deployment.
    ended_well INTEGER NOT NULL DEFAULT 0,
    -- When it was first seen.
    noted_at   INTEGER NOT NULL,
    PRIMARY KEY (deployment, component)
) STRICT;
