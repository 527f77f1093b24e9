ALTER TABLE read.offsets DROP COLUMN log_base;
