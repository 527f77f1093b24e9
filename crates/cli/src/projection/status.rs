use depot_schemas::projections::{ProjectionList, ProjectionStatus};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Outcome, Projector};
use crate::{admin_client::AdminError, operator::table};

pub async fn run(with_rows: bool) -> Result<Outcome<ProjectionList>, AdminError> {
    let list = Projector::from_settings()?.list(with_rows).await?;
    Ok(Outcome::complete(list))
}

pub fn text(list: &ProjectionList) -> String {
    let names = [
        "PROJECTION",
        "STATE",
        "SHAPE",
        "EVENTS",
        "LAG",
        "GIVEN UP",
        "COMPARED",
        "DIFFERENCES",
        "SERVED FROM",
        "SERVED TO",
    ];
    let mut text = table(names, list.projections.iter().map(row));
    for status in &list.projections {
        for (view, rows) in status.rows.iter().flatten() {
            text.push_str(&format!("{} {view}: {rows} rows\n", status.projection));
        }
        text.push_str(&stands_before(status));
    }
    text
}

/// A line for each event before which a partition stands.
pub fn stands_before(status: &ProjectionStatus) -> String {
    let line = |event: &depot_schemas::projections::GivenUpEvent| {
        format!(
            "{} stands before offset {} of {} [{}], which it cannot apply: {}: {}\n",
            status.projection, event.offset, event.topic, event.partition, event.reason_class, event.message
        )
    };
    status.stands_before.iter().map(line).collect()
}

fn row(status: &ProjectionStatus) -> [String; 10] {
    let time = |time: Option<OffsetDateTime>| {
        let text = time.and_then(|time| time.replace_nanosecond(0).ok()?.format(&Rfc3339).ok());
        text.unwrap_or_else(|| "-".to_owned())
    };
    let fed = |number: i64| match status.state.is_fed() {
        true => number.to_string(),
        false => "-".to_owned(),
    };
    let given_up = match status.skips_poison {
        true => format!("{} (passes all)", status.given_up),
        false => status.given_up.to_string(),
    };
    [
        status.projection.to_string(),
        status.state.to_string(),
        status.shape.to_string(),
        fed(status.total() - status.lag()),
        fed(status.lag()),
        given_up,
        time(status.compared_at),
        status
            .differences
            .map_or_else(|| "-".to_owned(), |differences| differences.to_string()),
        time(status.served_from),
        time(status.served_to),
    ]
}

#[cfg(test)]
mod tests {
    use depot_schemas::projections::{GivenUpEvent, ProjectionPlace, ProjectionState};

    use super::*;

    #[test]
    fn each_version_has_a_line_and_so_has_what_it_stands_before() {
        let building = ProjectionStatus {
            projection: 2,
            state: ProjectionState::Building,
            shape: 1,
            skips_poison: false,
            created_at: OffsetDateTime::UNIX_EPOCH,
            served_from: None,
            served_to: None,
            compared_at: None,
            differences: None,
            places: vec![ProjectionPlace {
                topic: "depot.items.v1".to_owned(),
                partition: 0,
                next_offset: 7,
                log_first_offset: 0,
                log_next_offset: 10,
            }],
            given_up: 1,
            stands_before: vec![GivenUpEvent {
                topic: "depot.items.v1".to_owned(),
                partition: 0,
                offset: 7,
                reason_class: "unknown_type".to_owned(),
                message: "no such type".to_owned(),
            }],
            rows: None,
        };
        let serving = ProjectionStatus {
            projection: 1,
            state: ProjectionState::Serving,
            served_from: Some(OffsetDateTime::UNIX_EPOCH),
            places: Vec::new(),
            stands_before: Vec::new(),
            given_up: 0,
            ..building.clone()
        };
        let list = ProjectionList {
            serving: 1,
            projections: vec![serving, building],
        };
        let expected = "\
PROJECTION  STATE     SHAPE  EVENTS  LAG  GIVEN UP  COMPARED  DIFFERENCES  SERVED FROM           SERVED TO
1           serving   1      0       0    0         -         -            1970-01-01T00:00:00Z  -
2           building  1      7       3    1         -         -            -                     -
2 stands before offset 7 of depot.items.v1 [0], which it cannot apply: unknown_type: no such type
";
        assert_eq!(text(&list), expected);
    }
}
