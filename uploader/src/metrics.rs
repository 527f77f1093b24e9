//! Metrics of the uploader, declared once.

use metrics::{Unit, counter, describe_counter};

const FILES: &str = "depot_uploader_files_total";
const BYTES: &str = "depot_uploader_stored_bytes_total";
const THUMBNAILS: &str = "depot_uploader_thumbnails_total";
const SWEPT: &str = "depot_uploader_swept_total";

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
    describe_counter!(SWEPT, Unit::Count, "What the sweep found and mended, by kind.");
}

pub(crate) fn count_file(outcome: &'static str, size_bytes: i64) {
    counter!(FILES, "outcome" => outcome).increment(1);
    counter!(BYTES).increment(u64::try_from(size_bytes).unwrap_or_default());
}

pub(crate) fn count_thumbnail(outcome: &'static str) {
    counter!(THUMBNAILS, "outcome" => outcome).increment(1);
}

pub(crate) fn count_swept(kind: &'static str, number: u64) {
    counter!(SWEPT, "kind" => kind).increment(number);
}
