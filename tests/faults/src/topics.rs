//! The topics by their declared names, and who reads them: written down here once more, so that a group that stops reading
//! one is found out.

use std::sync::LazyLock;

use depot_schemas::{Entity, topics::Topics};

/// Of every installation, so of a campaign's too.
pub const PREFIX: &str = "depot";

/// Where a group keeps what it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offsets {
    Kafka,
    /// In the transaction of the views.
    Views,
}

/// Services that share the messages of some topics.
#[derive(Debug)]
pub struct Group {
    pub name: String,
    pub reads: Vec<String>,
    pub offsets: Offsets,
    /// Whether it puts what it cannot handle among the dead letters. Who lists those takes everything.
    pub gives_up: bool,
}

fn names() -> Topics {
    Topics::new(PREFIX)
}

/// Every topic that is declared.
pub fn declared() -> &'static [String] {
    static DECLARED: LazyLock<Vec<String>> = LazyLock::new(|| {
        let declared = names().declared();
        declared.into_iter().map(|topic| topic.name).collect()
    });
    &DECLARED
}

/// The topics of events: the log from which the views are made.
pub fn of_events() -> &'static [String] {
    static EVENTS: LazyLock<Vec<String>> =
        LazyLock::new(|| Entity::ALL.map(|entity| names().events(entity)).into());
    &EVENTS
}

pub fn groups() -> &'static [Group] {
    static GROUPS: LazyLock<Vec<Group>> = LazyLock::new(all_groups);
    &GROUPS
}

fn all_groups() -> Vec<Group> {
    let topics = names();
    let of = |name: &str, reads: Vec<String>| Group {
        name: topics.group(name),
        reads,
        offsets: Offsets::Kafka,
        gives_up: true,
    };
    let (items, uploads, files) = (
        topics.events(Entity::Items),
        topics.events(Entity::Uploads),
        topics.events(Entity::Files),
    );
    let mut letters = Entity::ALL.map(|entity| topics.dead_letters(entity)).to_vec();
    letters.push(topics.store_notification_dead_letters());
    vec![
        Group {
            offsets: Offsets::Views,
            ..of(
                "projector",
                vec![items.clone(), uploads.clone(), topics.redriven("projector")],
            )
        },
        of("saga", vec![files, items, topics.redriven("saga")]),
        of(
            "uploader",
            [uploads].into_iter().chain(topics.retries()).collect(),
        ),
        of(
            "store-notifications",
            vec![
                topics.store_notifications(),
                topics.redriven("store-notifications"),
            ],
        ),
        Group {
            gives_up: false,
            ..of("dead-letters", letters)
        },
    ]
}

/// The groups that read a topic, and keep what they cannot handle of it.
pub fn given_up_by(topic: &str) -> impl Iterator<Item = &'static str> {
    let readers = groups()
        .iter()
        .filter(move |group| group.gives_up && group.reads.iter().any(|read| read == topic));
    readers.map(|group| group.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::{declared, given_up_by, groups};

    #[test]
    fn every_declared_topic_has_a_reader_and_nothing_else_has_one() {
        for topic in declared() {
            let is_read = groups().iter().any(|group| group.reads.contains(topic));
            assert!(
                is_read,
                "nobody is known to read {topic}: poison in it would be expected nowhere"
            );
        }
        for group in groups() {
            for topic in &group.reads {
                assert!(
                    declared().contains(topic),
                    "{} reads {topic}, which is not declared",
                    group.name
                );
            }
        }
    }

    #[test]
    fn what_two_groups_read_is_given_up_by_both() {
        let readers = |topic| given_up_by(topic).collect::<Vec<_>>();
        assert_eq!(readers("depot.items.v1"), ["depot.projector", "depot.saga"]);
        assert_eq!(readers("depot.uploads.v1"), ["depot.projector", "depot.uploader"]);
        assert_eq!(readers("depot.files.v1"), ["depot.saga"]);
        assert_eq!(
            given_up_by("depot.items.dlq.v1").count(),
            0,
            "dead letters are only listed"
        );
    }
}
