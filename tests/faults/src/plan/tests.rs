use std::collections::{BTreeMap, BTreeSet};

use super::plan;
use crate::{
    fault::{Fault, Target},
    site::Server,
};

/// A class with what it is done to, by words of our own: which of two instances or three brokers it is, is left to chance.
fn named(fault: &Fault) -> String {
    let drawn = |target: &Target| match target {
        Target::Instance(service, _) => service.name().to_owned(),
        Target::Server(Server::Kafka(_)) => "kafka".to_owned(),
        Target::Server(server) => format!("{server:?}"),
    };
    match fault {
        Fault::Kill(target) | Fault::Pause(target, _) | Fault::Restart(target) => {
            format!("{} {}", fault.class(), drawn(target))
        }
        other => other.to_string(),
    }
}

fn counted(faults: &[Fault]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for fault in faults {
        *counts.entry(named(fault)).or_default() += 1;
    }
    counts
}

/// What a whole campaign consists of, as a reader of its description would write it down.
fn wanted() -> Vec<String> {
    let services = ["command-api", "query-api", "projector", "uploader"];
    let mut wanted: Vec<String> = [
        "flush redis",
        "fill the object store's disk",
        "slow everybody to postgres",
    ]
    .map(str::to_owned)
    .into();
    for way in ["ahead", "back"] {
        wanted.push(format!("set the clocks of two instances {way}"));
    }
    for class in ["kill", "short pause", "long pause", "restart"] {
        for target in services
            .into_iter()
            .chain(["Postgres", "Redis", "ObjectStore", "kafka"])
        {
            wanted.push(format!("{class} {target}"));
        }
    }
    for service in services {
        wanted.push(format!("third {service}, and one killed"));
    }
    let arrows = [
        "command-api to postgres",
        "command-api to kafka",
        "command-api to the object store",
        "command-api to the uploader's admin port",
        "query-api to postgres",
        "query-api to redis",
        "projector to postgres",
        "projector to redis",
        "projector to kafka",
        "uploader to postgres",
        "uploader to kafka",
        "uploader to the object store",
        "clients to command-api",
        "clients to query-api",
        "clients to query-api by gRPC",
        "clients to the object store",
    ];
    for arrow in arrows {
        wanted.extend(["cut", "silence", "slow"].map(|what| format!("{what} {arrow}")));
    }
    for topic in ["items", "uploads", "files"] {
        wanted.extend(["repeat", "disorder", "gap"].map(|what| format!("{what} depot.{topic}.v1")));
    }
    for topic in depot_schemas::topics::Topics::new("depot").declared() {
        wanted.push(format!("poison {}", topic.name));
    }
    wanted
}

#[test]
fn a_whole_campaign_has_each_class_with_each_target_twice() {
    for seed in 0..20 {
        let counts = counted(&plan(seed, None));
        for what in wanted() {
            assert_eq!(counts.get(&what), Some(&2), "{what}, of seed {seed}");
        }
        let known: BTreeSet<String> = wanted().into_iter().collect();
        let unknown: Vec<_> = counts.keys().filter(|what| !known.contains(*what)).collect();
        assert!(unknown.is_empty(), "not described: {unknown:?}");
    }
}

#[test]
fn sixty_faults_are_sixty_different_ones_of_all_classes() {
    let every_class: BTreeSet<_> = plan(0, None).iter().map(Fault::class).collect();
    for seed in 0..20 {
        let faults = plan(seed, Some(60));
        assert_eq!(counted(&faults).len(), 60, "none comes twice, of seed {seed}");
        let (first, rest) = faults.split_at(every_class.len());
        let classes: BTreeSet<_> = first.iter().map(Fault::class).collect();
        assert_eq!(classes, every_class, "it begins with one of each, of seed {seed}");
        assert_eq!(rest.len(), 60 - every_class.len());
    }
}

#[test]
fn more_than_a_round_is_given_too() {
    assert_eq!(plan(3, Some(400)).len(), 400);
    assert!(plan(3, Some(0)).is_empty());
}

/// Without dead letters nothing would have been read of them.
#[test]
fn however_short_a_plan_is_it_poisons_a_topic_of_events() {
    for seed in 0..20 {
        let first = plan(seed, Some(1))[0];
        assert!(
            matches!(first, Fault::Poison(topic) if topic.matches('.').count() == 2),
            "{first}"
        );
    }
}

#[test]
fn the_plan_follows_from_the_seed() {
    for count in [None, Some(12), Some(60)] {
        assert_eq!(plan(7, count), plan(7, count));
        assert_ne!(plan(7, count), plan(8, count));
    }
}
