ALTER TABLE read.item_history DROP CONSTRAINT item_history_first;
INSERT INTO read.item_history SELECT * FROM read.item_history_default ON CONFLICT DO NOTHING;
DROP TABLE read.item_history_default, read.item_history_partitions;
