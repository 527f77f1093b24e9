//! Objects and references, and what accounts say of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Counter, Evidence, Verdict};

pub fn check(evidence: &Evidence, verdict: &mut Verdict) {
    let mut referred = BTreeSet::new();
    let mut thumbnails = 0;
    for upload in evidence.rows["uploads"].iter().filter(|upload| is_stored(upload)) {
        let what = format!("upload {}", upload["id"]);
        reference(evidence, &what, upload, &mut referred, verdict);
        if let Some(thumbnail) = thumbnail_of(upload) {
            thumbnails += 1;
            let what = format!("thumbnail of {what}");
            reference(evidence, &what, thumbnail, &mut referred, verdict);
        }
    }
    for receipt in evidence.rows["receipts"]
        .iter()
        .filter(|receipt| receipt["outcome"] == "stored")
    {
        for key in ["object_key", "thumbnail_key"].map(|key| receipt[key].as_str()) {
            if let Some(key) = key.filter(|key| !evidence.files.contains_key(*key)) {
                verdict.find(
                    Counter::Dangling,
                    format!("receipt of {}: no object {key}", receipt["upload_id"]),
                );
            }
        }
    }
    for key in evidence
        .files
        .keys()
        .filter(|key| !referred.contains(key.as_str()))
    {
        verdict.find(Counter::Orphaned, format!("nobody refers to {key}"));
    }
    for key in evidence.staging.keys() {
        verdict.find(Counter::Orphaned, format!("{key} is left in staging"));
    }
    verdict.has_read("references", referred.len());
    verdict.has_read("thumbnails", thumbnails);
    quota(evidence, verdict);
}

fn is_stored(upload: &Value) -> bool {
    upload["status"] == "stored"
}

fn thumbnail_of(upload: &Value) -> Option<&Value> {
    Some(&upload["thumbnail"]).filter(|thumbnail| !thumbnail.is_null())
}

/// `referrer` has the key and the size of the object that it refers to.
fn reference<'a>(
    evidence: &'a Evidence,
    what: &str,
    referrer: &'a Value,
    referred: &mut BTreeSet<&'a str>,
    verdict: &mut Verdict,
) {
    let size = referrer["size_bytes"].as_i64();
    let Some(key) = referrer["object_key"].as_str() else {
        return verdict.find(
            Counter::Dangling,
            format!("{what} is stored, and names no object"),
        );
    };
    referred.insert(key);
    match evidence.files.get(key) {
        None => verdict.find(Counter::Dangling, format!("{what}: no object {key}")),
        found if found.copied() != size => {
            verdict.find(
                Counter::Dangling,
                format!("{what}: object {key} has {found:?} bytes, {size:?} were stored"),
            );
        }
        Some(_) => {}
    }
}

/// By the files that items show, and their thumbnails; nothing is reserved any more, since every upload has ended.
fn quota(evidence: &Evidence, verdict: &mut Verdict) {
    let mut attached: BTreeMap<&str, i64> = BTreeMap::new();
    for item in evidence.rows["items"]
        .iter()
        .filter(|item| item["deleted"] == false)
    {
        let files = item["files"].as_array().into_iter().flatten();
        let bytes: i64 = files.filter_map(|file| file["size_bytes"].as_i64()).sum();
        *attached
            .entry(item["owner"].as_str().unwrap_or_default())
            .or_default() += bytes;
    }
    for upload in evidence.rows["uploads"].iter().filter(|upload| is_stored(upload)) {
        let bytes = thumbnail_of(upload).and_then(|thumbnail| thumbnail["size_bytes"].as_i64());
        *attached
            .entry(upload["owner"].as_str().unwrap_or_default())
            .or_default() += bytes.unwrap_or_default();
    }
    let mut open: BTreeMap<&str, i64> = BTreeMap::new();
    for upload in &evidence.rows["uploads"] {
        if ["pending", "received"]
            .iter()
            .any(|status| upload["status"] == *status)
        {
            *open
                .entry(upload["owner"].as_str().unwrap_or_default())
                .or_default() += upload["size_bytes"].as_i64().unwrap_or(0);
        }
    }
    for account in &evidence.rows["accounts"] {
        let owner = account["owner"].as_str().unwrap_or_default();
        let shown = (account["used_bytes"].as_i64(), account["reserved_bytes"].as_i64());
        let counted = (
            attached.remove(owner).unwrap_or_default(),
            open.remove(owner).unwrap_or_default(),
        );
        if shown != (Some(counted.0), Some(counted.1)) {
            let what = format!(
                "account of {owner}: {shown:?} bytes used and reserved; attached and open are {counted:?}"
            );
            verdict.find(Counter::Quota, what);
        }
    }
    // Whoever never sent a file has none, and nothing to be counted.
    for (owner, bytes) in attached.into_iter().chain(open).filter(|(_, bytes)| *bytes > 0) {
        verdict.find(
            Counter::Quota,
            format!("{owner} has {bytes} bytes attached or open, and no account"),
        );
    }
}
