//! The projector's metrics, declared once.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use time::OffsetDateTime;

const BATCH_EVENTS: &str = "depot_projector_batch_events";
const SHARED: &str = "depot_projector_shared_batches";
const SHARED_FAILED: &str = "depot_projector_shared_failures_total";
const ROWS: &str = "depot_projector_rows_total";
const VISIBLE_DELAY: &str = "depot_projector_visible_delay_seconds";
const CACHE_WRITES: &str = "depot_projector_cache_writes_total";
const CACHE_SECONDS: &str = "depot_projector_cache_write_seconds";
const CACHE_UP: &str = "depot_projector_cache_up";
const GENERATION_RAISES: &str = "depot_projector_cache_generation_raises_total";
const PARTITIONS_MADE: &str = "depot_projector_history_partitions_made_total";
const PARTITIONS_DROPPED: &str = "depot_projector_history_partitions_dropped_total";
const PARTITIONS_AHEAD: &str = "depot_projector_history_partitions_ahead";
const STRAY_ROWS: &str = "depot_projector_history_stray_rows";
const PENDING: &str = "depot_projector_cache_pending_rows";

/// Gives every metric its unit and help text. Call it once, after the recorder is installed.
pub(crate) fn describe() {
    describe_histogram!(BATCH_EVENTS, Unit::Count, "Events in a batch that was stored");
    describe_histogram!(SHARED, Unit::Count, "Batches that shared a transaction");
    describe_counter!(
        SHARED_FAILED,
        Unit::Count,
        "Transactions whose batches then had one each, by reason: poison or panic"
    );
    describe_counter!(
        ROWS,
        Unit::Count,
        "Events by view and outcome: applied, or refused (as repeated, older, or followed by a newer one in the batch)"
    );
    describe_histogram!(
        VISIBLE_DELAY,
        Unit::Seconds,
        "From an event's time, when the command decided it, to the commit of its view; includes the clocks' difference"
    );
    describe_counter!(
        CACHE_WRITES,
        Unit::Count,
        "Entries sent to Redis by outcome: stored, unchanged, refused (as older) or failed"
    );
    describe_histogram!(
        CACHE_SECONDS,
        Unit::Seconds,
        "Time of writing a batch's entries to Redis"
    );
    describe_gauge!(
        CACHE_UP,
        Unit::Count,
        "1 while Redis answers; without it reads are slower, not wrong"
    );
    describe_counter!(
        GENERATION_RAISES,
        Unit::Count,
        "Times that the whole cache was left behind, by reason: unreachable or another_server"
    );
    describe_gauge!(
        PENDING,
        Unit::Count,
        "Changed rows that Redis has not taken, seen by the last upkeep"
    );
    describe_counter!(
        PARTITIONS_MADE,
        Unit::Count,
        "Partitions of the history that this process has made ahead of time"
    );
    describe_counter!(
        PARTITIONS_DROPPED,
        Unit::Count,
        "Partitions of the history that this process has dropped as older than is kept"
    );
    describe_gauge!(
        PARTITIONS_AHEAD,
        Unit::Count,
        "Partitions of the history that lie wholly in the future"
    );
    describe_gauge!(
        STRAY_ROWS,
        Unit::Count,
        "Rows of the history that are dated outside of all partitions, counted up to 10,000"
    );
    // Present from the start: the first one is an increase too.
    for reason in ["poison", "panic"] {
        counter!(SHARED_FAILED, "reason" => reason).increment(0);
    }
    for reason in ["unreachable", "another_server"] {
        counter!(GENERATION_RAISES, "reason" => reason).increment(0);
    }
    history_partitions_made(0);
    history_partitions_dropped(0);
}

pub(crate) fn stored_batch(events: usize) {
    histogram!(BATCH_EVENTS).record(events as f64);
}

pub(crate) fn shared_batches(batches: usize) {
    histogram!(SHARED).record(batches as f64);
}

pub(crate) fn shared_transaction_failed(reason: &'static str) {
    counter!(SHARED_FAILED, "reason" => reason).increment(1);
}

pub(crate) fn rows(view: &'static str, applied: usize, refused: usize) {
    counter!(ROWS, "view" => view, "outcome" => "applied").increment(applied as u64);
    counter!(ROWS, "view" => view, "outcome" => "refused").increment(refused as u64);
}

pub(crate) fn visible(event_time: OffsetDateTime, now: OffsetDateTime) {
    // Clocks differ; a delay below zero is none.
    histogram!(VISIBLE_DELAY).record((now - event_time).as_seconds_f64().max(0.0));
}

pub(crate) fn cache_write(outcome: &'static str, entries: usize) {
    counter!(CACHE_WRITES, "outcome" => outcome).increment(entries as u64);
}

pub(crate) fn cache_write_took(time: Duration) {
    histogram!(CACHE_SECONDS).record(time.as_secs_f64());
}

pub(crate) fn cache_up(up: bool) {
    gauge!(CACHE_UP).set(if up { 1.0 } else { 0.0 });
}

pub(crate) fn generation_raised(reason: &'static str) {
    counter!(GENERATION_RAISES, "reason" => reason).increment(1);
}

pub(crate) fn history_partitions_made(partitions: u64) {
    counter!(PARTITIONS_MADE).increment(partitions);
}

pub(crate) fn history_partitions_dropped(partitions: u64) {
    counter!(PARTITIONS_DROPPED).increment(partitions);
}

pub(crate) fn history_partitions(ahead: i64, stray_rows: i64) {
    gauge!(PARTITIONS_AHEAD).set(ahead as f64);
    gauge!(STRAY_ROWS).set(stray_rows as f64);
}

pub(crate) fn pending_rows(rows: usize) {
    gauge!(PENDING).set(rows as f64);
}
