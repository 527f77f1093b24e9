//! An event on its way into the views, and offsets that may be committed.

use std::{collections::HashMap, hint::black_box};

use criterion::{BatchSize, Criterion, Throughput};
use depot_consumer::OrderedCommit;
use depot_read_model::ItemView;
use depot_schemas::{Entity, EventData, decode};

use crate::item::event;

/// Records of a partition that are under way at once.
const WINDOW: i64 = 1_000;

pub fn bench(criterion: &mut Criterion) {
    let event = event();
    let headers: HashMap<&str, Vec<u8>> = event
        .envelope
        .headers()
        .into_iter()
        .map(|(name, value)| (name, value.into_bytes()))
        .collect();
    let payload = event.payload().expect("an item has a JSON form");
    let key = event.envelope.subject.to_string();
    criterion.bench_function("message of Kafka as an event", |bencher| {
        bencher.iter(|| {
            let header = |name: &str| headers.get(name).map(Vec::as_slice);
            decode(
                Entity::Items,
                Some(key.as_bytes()),
                header,
                Some(black_box(&payload)),
            )
        });
    });
    let EventData::Item(data) = event.data else {
        unreachable!("it is of an item");
    };
    criterion.bench_function("event of an item as an entry of the cache", |bencher| {
        bencher.iter_batched(
            || data.item.clone(),
            |item| {
                ItemView::from(item)
                    .cache_entry(0, false)
                    .map(|entry| entry.to_bytes())
            },
            BatchSize::SmallInput,
        );
    });
    let mut offsets = criterion.benchmark_group("offsets");
    offsets.throughput(Throughput::Elements(WINDOW as u64));
    offsets.bench_function("done in the opposite order", |bencher| {
        bencher.iter(|| {
            let mut window = OrderedCommit::new();
            for offset in 0..WINDOW {
                black_box(window.begin(offset, None));
            }
            for offset in (0..WINDOW).rev() {
                black_box(window.complete(offset));
            }
            window.watermark()
        });
    });
    offsets.finish();
}
