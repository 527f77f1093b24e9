DROP TABLE command.dead_letters;
