//! How full the disks of the object store are. S3 has no request for it, so each kind of server is asked in its own words:
//! SeaweedFS by the `/status` of its volume servers, MinIO by its metrics of the cluster.

use depot_service::problem::chain;
use futures::future::join_all;
use reqwest::Client;
use serde_json::Value;

use crate::doctor::{answer::Answer, finding::Kind, instances::samples};

/// A disk with less than half of what has to be free is a fault: it will be full before somebody has looked again.
const FAULT_PART: f64 = 0.5;

pub(super) async fn look(http: &Client, urls: &[String], least_free_percent: u8) -> Answer {
    let mut answer = Answer::default();
    if urls.is_empty() {
        let unknown = "room on its disks is not known: OBJECT_STORE_STATUS_URLS is not set";
        answer.seen.push(unknown.to_owned());
    }
    let asked = urls.iter().map(|url| async move { (url, ask(http, url).await) });
    for (url, disks) in join_all(asked).await {
        match disks {
            Ok(disks) => answer.add(judge(&disks, f64::from(least_free_percent))),
            Err(why) => answer.warning(
                Kind::DiskUnknown,
                format!("how full the object store is cannot be told: {url} {why}"),
                "set OBJECT_STORE_STATUS_URLS to http://VOLUME_SERVER:PORT/status of SeaweedFS, or to \
                 http://HOST:PORT/minio/v2/metrics/cluster of MinIO, which has to be open (MINIO_PROMETHEUS_AUTH_TYPE=public)",
            ),
        }
    }
    answer
}

async fn ask(http: &Client, url: &str) -> Result<Vec<Disk>, String> {
    let answer = http.get(url).send().await;
    let answer = answer.map_err(|error| format!("does not answer: {}", chain(&error.without_url())))?;
    let status = answer.status();
    let text = answer
        .text()
        .await
        .map_err(|error| format!("does not answer: {}", chain(&error.without_url())))?;
    let disks = of_seaweedfs(&text).or_else(|| of_minio(&text));
    disks.ok_or_else(|| format!("answers {status}, and nothing about disks"))
}

/// A disk, or several that are used as one.
#[derive(Debug, PartialEq)]
struct Disk {
    name: String,
    free_percent: f64,
}

/// `{"DiskStatuses": [{"dir": "/data", "all": 1000, "free": 270, "percent_free": 27.0, …}], …}`
fn of_seaweedfs(text: &str) -> Option<Vec<Disk>> {
    let status: Value = serde_json::from_str(text).ok()?;
    let disks = status["DiskStatuses"].as_array()?.iter();
    let disks = disks.map(|disk| {
        Some(Disk {
            name: disk["dir"].as_str()?.to_owned(),
            free_percent: disk["percent_free"].as_f64()?,
        })
    });
    disks
        .collect::<Option<Vec<_>>>()
        .filter(|disks| !disks.is_empty())
}

/// What is left of the cluster when its parity is taken off.
fn of_minio(text: &str) -> Option<Vec<Disk>> {
    let value = |metric| samples(text, metric).map(|(_, value)| value).next();
    let total = value("minio_cluster_capacity_usable_total_bytes").filter(|total| *total > 0.0)?;
    let free = value("minio_cluster_capacity_usable_free_bytes")?;
    Some(vec![Disk {
        name: "the cluster".to_owned(),
        free_percent: 100.0 * free / total,
    }])
}

fn judge(disks: &[Disk], least: f64) -> Answer {
    let mut answer = Answer::default();
    for Disk { name, free_percent } in disks {
        answer.seen.push(format!("{free_percent:.0} % free of {name}"));
        if *free_percent >= least {
            continue;
        }
        let what =
            format!("of the object store's disk {name} {free_percent:.1} % are free, less than {least:.0} %");
        let mend = "add disks or volume servers, or delete items; while the store is full uploads wait and are not lost";
        if *free_percent < least * FAULT_PART {
            answer.fault(Kind::DiskLow, what, mend);
        } else {
            answer.warning(Kind::DiskLow, what, mend);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;

    #[test]
    fn both_servers_are_understood_and_anything_else_is_not() {
        let seaweedfs = r#"{"DiskStatuses":[{"dir":"/data","all":1000,"used":730,"free":270,"percent_free":27.0}],"Version":"4"}"#;
        let disk = |name: &str, free_percent| Disk {
            name: name.to_owned(),
            free_percent,
        };
        assert_eq!(of_seaweedfs(seaweedfs), Some(vec![disk("/data", 27.0)]));
        let minio = "# TYPE minio_cluster_capacity_usable_free_bytes gauge\n\
            minio_cluster_capacity_usable_free_bytes{server=\"a:9000\"} 2.5e+10\n\
            minio_cluster_capacity_usable_total_bytes{server=\"a:9000\"} 1e+11\n";
        assert_eq!(of_minio(minio), Some(vec![disk("the cluster", 25.0)]));
        for other in ["", "{}", "<html>", r#"{"DiskStatuses":[]}"#] {
            assert!(
                of_seaweedfs(other).is_none() && of_minio(other).is_none(),
                "{other}"
            );
        }
    }

    #[test]
    fn little_room_is_a_warning_and_half_of_it_a_fault() {
        let of = |free_percent| {
            let name = "d".to_owned();
            let found = judge(&[Disk { name, free_percent }], 10.0).findings;
            found.first().map(|finding| finding.severity)
        };
        assert_eq!(of(10.0), None);
        assert_eq!(of(9.9), Some(Severity::Warning));
        assert_eq!(of(4.9), Some(Severity::Fault));
    }
}
