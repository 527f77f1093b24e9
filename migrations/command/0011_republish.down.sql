DROP TABLE command.lost_aggregates;
DROP TABLE command.republish;
