//! How far behind the consumer groups are, and whether anybody reads for them.

mod log;

use depot_service::problem::chain;

use self::log::{Extent, Group, Place};
use super::{
    answer::Answer,
    finding::{Kind, counted, listed},
    installation::{Installation, Kafka},
    instances::{Instance, label},
    operator_database::{OperatorDatabase, unanswered},
};

/// The groups whose places Kafka keeps, with the service that reads. The projector's are in the database.
const GROUPS: [(&str, &str); 3] = [
    ("uploader", "an uploader"),
    ("saga", "a command-api with SAGA_ENABLED"),
    ("dead-letters", "a command-api with DEAD_LETTERS_ENABLED"),
];
const NOTIFICATIONS: (&str, &str) = (
    "store-notifications",
    "a command-api with STORE_NOTIFICATIONS_ENABLED",
);
const PROJECTOR: (&str, &str) = ("projector", "a projector");

pub async fn look(installation: &Installation, instances: &[Instance]) -> Answer {
    let Some(kafka) = &installation.kafka else {
        return Answer::unseen("the settings of Kafka cannot be used");
    };
    let mut groups = GROUPS.to_vec();
    let services = installation.services.as_ref();
    if services.is_some_and(|services| services.hears_notifications) {
        groups.push(NOTIFICATIONS);
    }
    let mut answer = Answer::default();
    let projector = of_projector(installation.database.as_ref(), kafka).await;
    let in_kafka: Vec<String> = groups.iter().map(|(name, _)| kafka.topics.group(name)).collect();
    if instances.is_empty() {
        let why = "who reads for the groups: the addresses of the instances cannot be used";
        answer.unseen.push(why.to_owned());
    } else {
        for (name, reader) in &groups {
            answer.add(unread(&kafka.topics.group(name), reader, instances));
        }
        // Where the database does not say which version serves, it is most likely the first.
        let (first, reader) = PROJECTOR;
        let group = match &projector {
            Ok(serving) => serving.name.clone(),
            Err(_) => kafka.topics.group(first),
        };
        answer.add(unread(&group, reader, instances));
    }
    match log::read(kafka, in_kafka, installation.rules.patience).await {
        Ok((extents, mut read)) => {
            match projector {
                Ok(places) => read.push(places),
                Err(why) => answer.unseen.push(format!("the places of the projector: {why}")),
            }
            for group in &read {
                answer.add(judge(
                    group,
                    &extents,
                    kafka,
                    installation.rules.patience.as_secs(),
                ));
            }
        }
        Err(error) => answer
            .unseen
            .push(format!("how far the groups are: {}", chain(&error))),
    }
    answer
}

/// Each process tells how many partitions of a group were given to it.
fn unread(group: &str, reader: &str, instances: &[Instance]) -> Answer {
    let mut answer = Answer::default();
    let of_group = instances.iter().flat_map(|instance| {
        let samples = instance.samples("depot_consumer_assigned_partitions");
        samples.filter(|(labels, _)| label(labels, "group") == Some(group))
    });
    let assigned: f64 = of_group.map(|(_, partitions)| partitions).sum();
    if assigned < 1.0 {
        answer.fault(
            Kind::GroupUnread,
            format!("no instance that answers reads for the group {group}"),
            format!("start {reader}; if one runs, part `events` of its /readyz or its log says why it reads nothing"),
        );
    }
    answer
}

/// Where the views that serve stand: from the second version on their group has another name.
async fn of_projector(database: Option<&OperatorDatabase>, kafka: &Kafka) -> Result<Group, String> {
    let database = database.ok_or("the settings of the database cannot be used")?;
    let mut conn = database
        .connect("read")
        .await
        .map_err(|error| error.to_string())?;
    let serving = sqlx::query_scalar!("SELECT projection FROM read.active_projection")
        .fetch_one(&mut conn)
        .await
        .map_err(|error| unanswered(&error))?;
    let rows = sqlx::query!(
        r#"SELECT o.topic, o.partition, o.next_offset - o.log_base AS "next_offset!"
           FROM read.offsets o JOIN read.active_projection USING (projection)"#
    )
    .fetch_all(&mut conn)
    .await
    .map_err(|error| unanswered(&error))?;
    Ok(Group {
        name: kafka.topics.projector_group(serving),
        places: rows
            .into_iter()
            .map(|row| Place {
                topic: row.topic,
                partition: row.partition,
                next: row.next_offset,
            })
            .collect(),
    })
}

fn judge(group: &Group, extents: &log::Extents, kafka: &Kafka, patience: u64) -> Answer {
    let mut answer = Answer::default();
    let (mut behind, mut waiting, mut outside) = (Vec::new(), 0, Vec::new());
    // What lies there waits on purpose.
    let retries = kafka.topics.retries();
    let mut lag = 0;
    for place in &group.places {
        let Some(extent) = extents.get(&(place.topic.clone(), place.partition)) else {
            continue;
        };
        let Extent { low, high, fresh } = *extent;
        let name = format!("{}/{}", place.topic, place.partition);
        if place.next < low || place.next > high {
            outside.push(format!("{name} at {}, which has {low} to {high}", place.next));
            continue;
        }
        lag += high - place.next;
        if place.next < fresh && !retries.contains(&place.topic) {
            behind.push(name);
            waiting += high - place.next;
        }
    }
    if !outside.is_empty() {
        answer.fault(
            Kind::OffsetOutside,
            format!("{} stands where the log is not: {}", group.name, listed(&outside)),
            "find out whether the topic was made anew or Kafka was set back, and what is missing: docs/reliability.md; a place is \
             changed by hand only, and never over events that nobody has read",
        );
    }
    if !behind.is_empty() {
        answer.warning(
            Kind::GroupBehind,
            format!(
                "{} is behind by {} on {}, some of it older than {patience} s",
                group.name,
                counted(waiting, "message"),
                listed(&behind)
            ),
            "see whether its instances are ready and not stopped at a message (/readyz, depot_consumer_stopped_partitions); if they \
             work, start more of them",
        );
    }
    answer.seen.push(format!("{}: {lag}", group.name));
    answer
}
