-- Pages of the operators' list: each kind of saga, state and step is walked by itself, so that no filter scans the table.
CREATE INDEX sagas_by_step ON command.sagas (saga, state, step, saga_id);
