//! Objects and references, and what accounts say of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Counter, Evidence, Verdict};

pub fn check(evidence: &Evidence, verdict: &mut Verdict) {
    let mut referred = BTreeSet::new();
    for upload in &evidence.rows["uploads"] {
        if upload["status"] == "stored" {
            reference(evidence, upload, &mut referred, verdict);
        }
    }
    for receipt in &evidence.rows["receipts"] {
        let key = receipt["object_key"].as_str();
        if receipt["outcome"] == "stored"
            && let Some(key) = key.filter(|key| !evidence.files.contains_key(*key))
        {
            verdict.find(
                Counter::Dangling,
                format!("receipt of {}: no object {key}", receipt["upload_id"]),
            );
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
    quota(evidence, verdict);
}

fn reference<'a>(
    evidence: &'a Evidence,
    upload: &'a Value,
    referred: &mut BTreeSet<&'a str>,
    verdict: &mut Verdict,
) {
    let (id, size) = (&upload["id"], upload["size_bytes"].as_i64());
    let Some(key) = upload["object_key"].as_str() else {
        return verdict.find(
            Counter::Dangling,
            format!("upload {id} is stored, and names no object"),
        );
    };
    referred.insert(key);
    match evidence.files.get(key) {
        None => verdict.find(Counter::Dangling, format!("upload {id}: no object {key}")),
        found if found.copied() != size => {
            verdict.find(
                Counter::Dangling,
                format!("upload {id}: object {key} has {found:?} bytes, {size:?} were stored"),
            );
        }
        Some(_) => {}
    }
}

/// By the files that items show; nothing is reserved any more, since every upload has ended.
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
