-- Which of the processes sweeps, and since when: one at a time, once an interval.
CREATE TABLE command.sweep_lease (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    holder     uuid,
    begun_at   timestamptz,
    expires_at timestamptz,
    CHECK ((holder IS NULL) = (expires_at IS NULL))
);
INSERT INTO command.sweep_lease DEFAULT VALUES;
REVOKE INSERT, DELETE ON command.sweep_lease FROM depot_command;
