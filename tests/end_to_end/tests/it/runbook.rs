//! docs/runbook.md, rehearsed: for each alarm a fault is planted, the deployed rule fires on it, the page's commands show it,
//! what the page says is done, and the rule is silent again. What only a deployment can do, such as starting a process or
//! bringing Kafka back, the test does; everything else is done by the commands of the page, as they stand there.
//!
//! The rules are the deployed ones with other times (`scale`): their conditions hold as they are.

mod control_group;
mod dependencies;
mod outbox;
mod page;
mod pools;
mod processes;
mod sagas;
mod scale;
mod scene;
mod table;
mod views;

use std::{collections::BTreeSet, fs, path::Path};

use self::{
    page::Page,
    scale::{AGES, scaled},
    table::ROWS,
};

fn rules() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/prometheus/rules");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect()
}

fn alerts(rules: &str) -> BTreeSet<&str> {
    rules
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("- alert: "))
        .collect()
}

#[test]
fn each_alarm_is_rehearsed_and_the_page_has_nothing_else() {
    let rules = rules();
    let alerts = alerts(&rules);
    assert!(alerts.len() > 30, "only {} alarms were found", alerts.len());
    let listed: Vec<_> = ROWS.iter().map(|row| row.alert).collect();
    let once: BTreeSet<_> = listed.iter().copied().collect();
    assert_eq!(once.len(), listed.len(), "one is listed twice: {listed:?}");
    assert_eq!(once, alerts, "the table and the rules");
    assert!(ROWS.iter().all(|row| !row.planted.is_empty()));

    let page = Page::read();
    let headings: BTreeSet<_> = page.sections.keys().map(String::as_str).collect();
    assert_eq!(headings, alerts, "the headings of the page and the rules");
    for row in ROWS {
        assert!(!row.shown.is_empty(), "{}", row.alert);
        let section = &page.sections[row.alert];
        assert!(!section.see.is_empty(), "{}: nothing shows it", row.alert);
    }
}

#[test]
fn each_time_of_the_rules_is_scaled() {
    let rules = rules();
    let scaled = scaled(&rules);
    assert_eq!(alerts(&scaled), alerts(&rules));
    let changed: Vec<_> = rules
        .lines()
        .zip(scaled.lines())
        .filter(|(deployed, here)| deployed != here)
        .collect();
    let is_age = |(deployed, here): &&(&str, &str)| {
        let mut ages = AGES.iter();
        ages.any(|(_, of_rule, scaled)| deployed.ends_with(of_rule) && here.ends_with(scaled))
    };
    let ages = changed.iter().filter(is_age).count();
    assert_eq!(ages, AGES.len(), "each age is found once: {changed:#?}");
}
