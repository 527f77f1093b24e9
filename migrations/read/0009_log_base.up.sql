-- A log that was made anew counts its offsets from 0 again, and streams resume by places in the log that must not come
-- twice. So places are counted on: `next_offset`, like every place that views keep, is Kafka's offset and `log_base`
-- together. It is 0 until a log was lost, and the same for all versions of the views.
ALTER TABLE read.offsets ADD COLUMN log_base bigint NOT NULL DEFAULT 0;
