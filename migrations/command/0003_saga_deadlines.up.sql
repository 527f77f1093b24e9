-- Every step of a saga that is under way has a deadline; where nobody answers, it asks again, and counts.
ALTER TABLE command.sagas ADD COLUMN attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0);
COMMENT ON COLUMN command.sagas.attempts IS 'How often the present step has asked again.';
UPDATE command.sagas SET deadline = now() + interval '1 minute'
WHERE state IN ('running', 'compensating') AND deadline IS NULL;
UPDATE command.sagas SET deadline = NULL WHERE state NOT IN ('running', 'compensating');
-- Nothing is waited for without an end, and what has ended does nothing by itself.
ALTER TABLE command.sagas ADD CONSTRAINT sagas_deadline_while_under_way
    CHECK ((state IN ('running', 'compensating')) = (deadline IS NOT NULL));
-- What an operator has to look at, counted at every turn of the deadlines' loop.
CREATE INDEX sagas_stuck ON command.sagas (saga) WHERE state = 'stuck';
