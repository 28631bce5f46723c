-- How far the canaries of a deployment have got: what the routes of the edge do not tell.
CREATE TABLE canaries (
    deployment INTEGER NOT NULL REFERENCES deployments (id),
    component  TEXT NOT NULL,
    -- The share of the traffic at which it is held, in percent, and how long it has been, whole looks only.
    weight     INTEGER NOT NULL,
    elapsed_ms INTEGER NOT NULL,
    -- What was judged so far, as JSON.
    judge      TEXT NOT NULL,
    -- The largest share at which it was as good, or that somebody promoted it past; 100 is to the end.
    passed     INTEGER NOT NULL,
    PRIMARY KEY (deployment, component)
) STRICT;
