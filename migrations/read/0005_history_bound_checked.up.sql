-- Reads the whole history once, beside its writers and readers: neither the deletion nor the check keeps them waiting.
-- What is dated behind the bound, as by a clock that ran ahead, is set aside until 0006 and not read meanwhile.
WITH later AS (
    DELETE FROM read.item_history
    WHERE occurred_at >= (SELECT to_at FROM read.item_history_partitions WHERE name = 'item_history_first')
    RETURNING *
)
INSERT INTO read.item_history_default SELECT * FROM later;

ALTER TABLE read.item_history VALIDATE CONSTRAINT item_history_first;
