-- Under which name the forge's number of a repository was noted: it helps with renames, and says nothing of another
-- repository that the settings name since. Absent where an earlier version noted it.
ALTER TABLE projects ADD COLUMN repository_name TEXT;

-- A request to the forge is under way since then: an answer takes it away, the next start finds what a crash left.
ALTER TABLE outbox ADD COLUMN asked_at INTEGER;
-- When a request got no answer that may still be served, until what was said last is known to stand.
ALTER TABLE outbox ADD COLUMN unanswered_at INTEGER;
-- Of a final that was sent while such a request was open: when it is made sure of again, and how far that is.
ALTER TABLE outbox ADD COLUMN confirm_at INTEGER;
ALTER TABLE outbox ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_to_confirm ON outbox (confirm_at) WHERE confirm_at IS NOT NULL;
