DROP TABLE read.declared_aggregates;
