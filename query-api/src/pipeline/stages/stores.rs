//! The stores that reads and files come from.

use std::time::Duration;

use super::services::hit_percent;
use crate::pipeline::{
    picture::{StageName, StageState, Unit},
    stage::{Judged, Verdict, World, answer_ms, degraded_if, figure, told, worse},
};

const READS: &str = "depot_query_reads_total";

pub fn views(world: &World<'_>) -> Judged {
    let answer = &world.stores.views;
    let reads = world.query_api.rate(READS, &[("layer", "postgres")]);
    Judged {
        name: StageName::Views,
        title: "Postgres views",
        source: "projector/src/postgres_writer.rs",
        verdict: verdict(answer),
        figures: vec![
            answer_ms(answer),
            figure("reads_per_second", "reads", Unit::PerSecond, reads),
        ],
        settings: Vec::new(),
        instances: Vec::new(),
    }
}

pub fn cache(world: &World<'_>) -> Judged {
    let answer = &world.stores.cache;
    let crew = world.query_api;
    let of = |outcome| crew.rate(READS, &[("layer", "redis"), ("outcome", outcome)]);
    let reads = crew.rate(READS, &[("layer", "redis")]);
    let is_unreached = world.projector.max("depot_projector_cache_up") == Some(0.0);
    let unreached = degraded_if(is_unreached, || "the projector does not reach it".to_owned());
    let pending = world.projector.max("depot_projector_cache_pending_rows");
    Judged {
        name: StageName::Cache,
        title: "Redis cache",
        source: "projector/src/redis_writer.rs",
        verdict: worse(verdict(answer), unreached),
        figures: vec![
            answer_ms(answer),
            figure("reads_per_second", "reads", Unit::PerSecond, reads),
            figure(
                "hit_percent",
                "hits",
                Unit::Percent,
                hit_percent(of("hit"), of("miss")),
            ),
            figure("pending_rows", "pending", Unit::Count, pending),
        ],
        settings: Vec::new(),
        instances: Vec::new(),
    }
}

pub fn objects(world: &World<'_>) -> Judged {
    let waits = world
        .uploader
        .beats()
        .flat_map(|beat| &beat.waiting_for)
        .find(|waiting| waiting.name == "object store");
    let waits = waits.map_or((StageState::Ok, None), |waiting| {
        let reason = format!("the uploader waits for it: {}", waiting.reason);
        (StageState::Degraded, Some(reason))
    });
    let told = told(
        "depot_object_store_up",
        "depot_object_store_answer_seconds",
        &[world.command_api, world.uploader],
    );
    Judged {
        name: StageName::Objects,
        title: "objects (S3)",
        source: "uploader/src/conclude.rs",
        verdict: worse(told.verdict, waits),
        figures: vec![told.answer],
        settings: Vec::new(),
        instances: Vec::new(),
    }
}

fn verdict(answer: &Result<Duration, String>) -> Verdict {
    match answer {
        Ok(_) => (StageState::Ok, None),
        Err(why) => (
            StageState::Down,
            Some(format!("it does not answer query-api: {why}")),
        ),
    }
}
