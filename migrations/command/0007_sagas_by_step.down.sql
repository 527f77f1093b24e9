DROP INDEX command.sagas_by_step;
