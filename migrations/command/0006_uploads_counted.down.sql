DROP INDEX command.uploads_counted;
