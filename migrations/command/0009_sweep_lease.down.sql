DROP TABLE command.sweep_lease;
