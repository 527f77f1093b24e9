DROP TABLE command.declared_aggregates;
