//! A command: who sends it, what it says, and the row that tells of it.

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, Criterion};
use depot_domain::{ItemContent, ItemStatus};
use depot_outbox::NewEvent;
use depot_schemas::topics::Topics;
use depot_service::{
    auth::{Role, TokenMinter, TokenVerifier},
    config::JwtConfig,
};

use crate::item::{attributes, event};

pub fn bench(criterion: &mut Criterion) {
    let config = JwtConfig::for_secret("a secret of this benchmark, 32 bytes and more");
    let minter = TokenMinter::new(&config);
    let mint = |subject: &str| {
        let minted = minter.mint(subject, &[Role::Writer], Duration::from_secs(3_600));
        minted.expect("the secret signs")
    };
    let (token, verifier) = (mint("alice"), TokenVerifier::new(&config));
    verifier.verify(&token).expect("its own token");
    criterion.bench_function("token that was seen before", |bencher| {
        bencher.iter(|| verifier.verify(black_box(&token)));
    });
    criterion.bench_function("token that is new", |bencher| {
        bencher.iter_batched(
            || TokenVerifier::new(&config),
            |verifier| verifier.verify(black_box(&token)),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("content of an item, checked", |bencher| {
        bencher.iter_batched(
            || {
                let tags = vec!["garden".to_owned(), "wood".to_owned()];
                (
                    "A garden chair".to_owned(),
                    "Oiled.".to_owned(),
                    tags,
                    attributes(),
                )
            },
            |(name, description, tags, attributes)| {
                ItemContent::parse(name, description, tags, attributes, ItemStatus::Active)
            },
            BatchSize::SmallInput,
        );
    });
    let (topics, event) = (Topics::new("depot"), event());
    criterion.bench_function("event of an item as a row of the outbox", |bencher| {
        bencher.iter(|| NewEvent::from_event(&topics, black_box(&event)).map(NewEvent::into_row));
    });
}
