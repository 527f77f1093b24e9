//! A read: an entry of the cache, and a page's cursor.

use std::hint::black_box;

use bytes::Bytes;
use criterion::Criterion;
use depot_read_model::{CacheEntry, ItemView};
use depot_schemas::ItemState;
use query_api::cursor::{Cursors, Scope};

use crate::item::item;

pub fn bench(criterion: &mut Criterion) {
    let view = ItemView::from(ItemState::from(&item()));
    let entry = view.cache_entry(0, false).expect("an item has a JSON form");
    let stored = Bytes::from(entry.to_bytes());
    criterion.bench_function("bytes of Redis as an entry of the cache", |bencher| {
        bencher.iter(|| CacheEntry::parse(black_box(stored.clone())));
    });
    let cursors = Cursors::new(&"a secret of this benchmark, 32 bytes and more".into());
    let scope = Scope::of(["items", "alice", "created_at"]);
    let sealed = cursors.seal(scope, b"2026-11-30T00:00:00.000001Z 0193a3f2");
    criterion.bench_function("cursor that is given out", |bencher| {
        bencher.iter(|| cursors.seal(scope, black_box(b"2026-11-30T00:00:00.000001Z 0193a3f2")));
    });
    criterion.bench_function("cursor that comes back", |bencher| {
        bencher.iter(|| cursors.open(scope, black_box(&sealed)));
    });
}
