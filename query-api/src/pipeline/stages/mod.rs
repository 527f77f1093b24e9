//! What follows for each part from what was heard, in the order in which an event passes them.

mod events;
mod outcomes;
mod services;
mod stores;

use super::{
    figures::total,
    picture::{DeadLetters, SagaCount},
    series::Point,
    stage::{Judged, World},
};

pub use outcomes::{dead_letters, sagas};

/// All stages.
pub fn judge(world: &World<'_>) -> Vec<Judged> {
    vec![
        services::command_api(world),
        events::outbox(world),
        events::kafka(world),
        services::projector(world),
        services::uploader(world),
        outcomes::saga(world),
        outcomes::letters(world),
        stores::views(world),
        stores::cache(world),
        stores::objects(world),
        services::query_api(world),
    ]
}

/// What of it is kept for a quarter of an hour.
pub fn point(stages: &[Judged], letters: &[DeadLetters], sagas: &[SagaCount]) -> Point {
    use super::picture::StageName as S;
    let of = |stage: S, figure: &str| {
        let stage = stages.iter().find(|judged| judged.name == stage)?;
        let figure = stage.figures.iter().find(|known| known.name == figure)?;
        figure.value
    };
    Point::from([
        ("commands_per_second", of(S::CommandApi, "requests_per_second")),
        ("command_p99_ms", of(S::CommandApi, "latency_p99_ms")),
        ("outbox_rows", of(S::Outbox, "rows")),
        ("outbox_oldest_seconds", of(S::Outbox, "oldest_seconds")),
        ("published_per_second", of(S::Outbox, "published_per_second")),
        ("projected_per_second", of(S::Projector, "events_per_second")),
        ("projector_lag_messages", of(S::Projector, "lag_messages")),
        ("projector_lag_seconds", of(S::Projector, "lag_seconds")),
        ("visible_delay_p99_ms", of(S::Projector, "visible_p99_ms")),
        ("files_per_second", of(S::Uploader, "files_per_second")),
        (
            "stored_bytes_per_second",
            of(S::Uploader, "stored_bytes_per_second"),
        ),
        ("uploader_lag_messages", of(S::Uploader, "lag_messages")),
        ("reads_per_second", of(S::QueryApi, "requests_per_second")),
        ("read_p99_ms", of(S::QueryApi, "latency_p99_ms")),
        ("streams_open", of(S::QueryApi, "streams_open")),
        (
            "dead_letters_open",
            of(S::DeadLetters, "open").map(|_| total(letters.iter().map(|letters| letters.open))),
        ),
        (
            "sagas_open",
            of(S::Saga, "running").map(|_| total(sagas.iter().map(|sagas| sagas.open))),
        ),
    ])
}
