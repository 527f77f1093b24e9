ALTER TABLE read.offsets DROP COLUMN hold_at, DROP COLUMN held_until;
DROP TABLE read.given_up;
DROP TABLE read.projection_changes;
DROP TABLE read.projections;
