-- Deployments are counted in each environment, too: `production#12`.
ALTER TABLE deployments ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
UPDATE deployments SET number = counted.number FROM
    (SELECT id, row_number() OVER (PARTITION BY project, environment ORDER BY id) AS number FROM deployments) AS counted
    WHERE counted.id = deployments.id;
CREATE INDEX deployments_by_number ON deployments (project, environment, number);
