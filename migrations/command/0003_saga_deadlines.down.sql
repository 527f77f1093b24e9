DROP INDEX command.sagas_stuck;
ALTER TABLE command.sagas DROP CONSTRAINT sagas_deadline_while_under_way;
ALTER TABLE command.sagas DROP COLUMN attempts;
