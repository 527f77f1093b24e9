//! The four services.

use crate::pipeline::{
    picture::{StageFigure, StageName, Unit},
    stage::{Crew, Judged, Verdict, World, degraded_if, figure, worse},
};

/// Seconds that a group may be behind before it is said.
const BEHIND_SECONDS: f64 = 10.0;

const REQUESTS: &str = "depot_requests_total";
const LATENCY: &str = "depot_request_latency_seconds";

pub fn command_api(world: &World<'_>) -> Judged {
    let crew = world.command_api;
    let mut figures = requests(crew);
    let errors = crew.rate("depot_errors_total", &[("component", "http")]);
    figures.push(figure("errors_per_second", "faults", Unit::PerSecond, errors));
    Judged {
        name: StageName::CommandApi,
        title: "command-api",
        source: "command-api/src/execution/executor.rs",
        verdict: crew.verdict(),
        figures,
        settings: crew.settings(),
        instances: crew.shown(&[("requests_per_second", REQUESTS, &[])]),
    }
}

pub fn projector(world: &World<'_>) -> Judged {
    let crew = world.projector;
    let group = &world.groups.projector;
    let records = "depot_consumer_records_total";
    let processed: &[(&str, &str)] = &[("outcome", "processed")];
    let visible = "depot_projector_visible_delay_seconds";
    Judged {
        name: StageName::Projector,
        title: "projector",
        source: "projector/src/projector.rs",
        verdict: consumer(crew, Some(group)),
        figures: [
            vec![figure(
                "events_per_second",
                "events",
                Unit::PerSecond,
                crew.rate(records, processed),
            )],
            lag(crew, Some(group)),
            vec![
                figure(
                    "visible_p50_ms",
                    "visible p50",
                    Unit::Ms,
                    crew.quantile_ms(visible, 0.5),
                ),
                figure(
                    "visible_p99_ms",
                    "visible p99",
                    Unit::Ms,
                    crew.quantile_ms(visible, 0.99),
                ),
            ],
        ]
        .concat(),
        settings: crew.settings(),
        instances: crew.shown(&[("events_per_second", records, processed)]),
    }
}

pub fn uploader(world: &World<'_>) -> Judged {
    let crew = world.uploader;
    let (files, bytes) = ("depot_uploader_files_total", "depot_uploader_stored_bytes_total");
    let stored: &[(&str, &str)] = &[("outcome", "stored")];
    Judged {
        name: StageName::Uploader,
        title: "uploader",
        source: "uploader/src/store_upload.rs",
        verdict: consumer(crew, None),
        figures: [
            vec![
                figure(
                    "files_per_second",
                    "files",
                    Unit::PerSecond,
                    crew.rate(files, stored),
                ),
                figure(
                    "stored_bytes_per_second",
                    "stored",
                    Unit::BytesPerSecond,
                    crew.rate(bytes, &[]),
                ),
            ],
            lag(crew, None),
        ]
        .concat(),
        settings: crew.settings(),
        instances: crew.shown(&[("files_per_second", files, stored)]),
    }
}

pub fn query_api(world: &World<'_>) -> Judged {
    let crew = world.query_api;
    let of = |outcome| {
        crew.rate(
            "depot_query_reads_total",
            &[("layer", "process"), ("outcome", outcome)],
        )
    };
    let mut figures = requests(crew);
    let streams = crew.sum("depot_watch_streams_open", &[]);
    figures.push(figure("streams_open", "streams", Unit::Count, streams));
    figures.push(figure(
        "memory_hit_percent",
        "in memory",
        Unit::Percent,
        hit_percent(of("hit"), of("miss")),
    ));
    Judged {
        name: StageName::QueryApi,
        title: "query-api",
        source: "query-api/src/read/reader.rs",
        verdict: crew.verdict(),
        figures,
        settings: crew.settings(),
        instances: crew.shown(&[("requests_per_second", REQUESTS, &[])]),
    }
}

/// Which part of the reads a layer had.
pub fn hit_percent(hits: Option<f64>, misses: Option<f64>) -> Option<f64> {
    let (hits, misses) = (hits?, misses?);
    let all = hits + misses;
    (all > 0.0).then(|| 100.0 * hits / all)
}

fn requests(crew: Crew<'_>) -> Vec<StageFigure> {
    vec![
        figure(
            "requests_per_second",
            "requests",
            Unit::PerSecond,
            crew.rate(REQUESTS, &[]),
        ),
        figure("latency_p50_ms", "p50", Unit::Ms, crew.quantile_ms(LATENCY, 0.5)),
        figure("latency_p99_ms", "p99", Unit::Ms, crew.quantile_ms(LATENCY, 0.99)),
    ]
}

/// How far a group is behind; all groups of the service where none is named.
fn lag(crew: Crew<'_>, group: Option<&str>) -> Vec<StageFigure> {
    let labels = group.map(|group| ("group", group));
    let messages = crew.sum("depot_consumer_lag_messages", labels.as_slice());
    vec![
        figure("lag_messages", "behind", Unit::Count, messages),
        figure("lag_seconds", "behind", Unit::Seconds, lag_seconds(crew, group)),
    ]
}

fn lag_seconds(crew: Crew<'_>, group: Option<&str>) -> Option<f64> {
    let values = crew
        .figures()
        .flat_map(|figures| figures.each("depot_consumer_lag_seconds"));
    let of_group = values.filter(|value| {
        let its = value.labels.get("group").map(String::as_str);
        group.is_none_or(|group| its == Some(group))
    });
    of_group.map(|value| value.value).reduce(f64::max)
}

fn consumer(crew: Crew<'_>, group: Option<&str>) -> Verdict {
    let stopped = crew.stopped_partitions(group);
    let standing = degraded_if(stopped > 0.0, || {
        format!("{stopped} partitions stand still until a person has looked: /readyz says why")
    });
    let seconds = lag_seconds(crew, group).unwrap_or(0.0);
    let behind = degraded_if(seconds > BEHIND_SECONDS, || {
        format!("its oldest record waits for {seconds:.0} s")
    });
    worse(worse(crew.verdict(), standing), behind)
}
