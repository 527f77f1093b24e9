//! Metrics of the uploader, declared once.

use depot_schemas::sweep::FindingKind;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const FILES: &str = "depot_uploader_files_total";
const BYTES: &str = "depot_uploader_stored_bytes_total";
const THUMBNAILS: &str = "depot_uploader_thumbnails_total";
const SWEPT: &str = "depot_uploader_swept_total";
const LEFT: &str = "depot_uploader_sweep_left";

pub(crate) fn describe() {
    describe_counter!(FILES, Unit::Count, "Uploads concluded, by outcome.");
    describe_counter!(
        BYTES,
        Unit::Bytes,
        "Logical size of the files stored; shared content counts each time."
    );
    describe_counter!(
        THUMBNAILS,
        Unit::Count,
        "Pictures by what became of their thumbnail; work that is done again counts again."
    );
    describe_counter!(SWEPT, Unit::Count, "What sweeps found, by kind and outcome.");
    describe_gauge!(LEFT, Unit::Count, "What the last sweep found and could not mend.");
    // Present from the start: the first one is an increase too.
    for outcome in ["stored", "rejected", "removed"] {
        counter!(FILES, "outcome" => outcome).increment(0);
    }
    counter!(BYTES).increment(0);
    for outcome in ["made", "over_limit", "undecodable"] {
        counter!(THUMBNAILS, "outcome" => outcome).increment(0);
    }
}

pub(crate) fn count_file(outcome: &'static str, size_bytes: i64) {
    counter!(FILES, "outcome" => outcome).increment(1);
    counter!(BYTES).increment(u64::try_from(size_bytes).unwrap_or_default());
}

pub(crate) fn count_thumbnail(outcome: &'static str) {
    counter!(THUMBNAILS, "outcome" => outcome).increment(1);
}

pub(crate) fn count_finding(kind: FindingKind, mended: bool) {
    let outcome = if mended { "mended" } else { "left" };
    counter!(SWEPT, "kind" => kind.as_str(), "outcome" => outcome).increment(1);
}

pub(crate) fn set_left(number: u64) {
    gauge!(LEFT).set(number as f64);
}
