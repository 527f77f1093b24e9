//! Which faults, in which order: all of it follows from the seed.

#[cfg(test)]
mod tests;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use crate::{
    fault::{Fault, Jump, LONG_PAUSE, SHORT_PAUSE, Target},
    site::{INSTANCES, NODES, PAIRS, Server, Service},
    topics,
};

/// Every class with every target, once. Of the instances of a service, and of the brokers, one is drawn.
fn every_pair(rng: &mut StdRng) -> Vec<Fault> {
    let mut targets: Vec<Target> = Service::ALL
        .into_iter()
        .map(|service| Target::Instance(service, rng.random_range(1..=INSTANCES)))
        .collect();
    let servers = [
        Server::Postgres,
        Server::Redis,
        Server::ObjectStore,
        Server::Kafka(rng.random_range(1..=NODES)),
    ];
    targets.extend(servers.map(Target::Server));
    let mut faults = Vec::new();
    for target in targets {
        faults.extend([
            Fault::Kill(target),
            Fault::Pause(target, SHORT_PAUSE),
            Fault::Pause(target, LONG_PAUSE),
            Fault::Restart(target),
        ]);
    }
    for arrow in PAIRS {
        faults.extend([Fault::Cut(arrow), Fault::Slow(arrow), Fault::Silence(arrow)]);
    }
    faults.extend([
        Fault::SlowPostgres,
        Fault::FlushRedis,
        Fault::FullDisk,
        Fault::ClockJump(Jump::Ahead),
        Fault::ClockJump(Jump::Back),
    ]);
    faults.extend(topics::declared().iter().map(|topic| Fault::Poison(topic)));
    for topic in topics::of_events() {
        faults.extend([Fault::Repeat(topic), Fault::Disorder(topic), Fault::Gap(topic)]);
    }
    faults.extend(Service::ALL.map(Fault::Scale));
    faults
}

/// Dead letters are among what has to be read: poison of another topic makes none.
fn is_a_sample(fault: &Fault) -> bool {
    match fault {
        Fault::Poison(topic) => topics::of_events().iter().any(|of_events| of_events == topic),
        _ => true,
    }
}

/// `count` faults, or each class with each target twice where none is given. A short plan begins with one of each class,
/// so that it is a sample of all of them.
pub fn plan(seed: u64, count: Option<usize>) -> Vec<Fault> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut faults = Vec::new();
    let rounds = count.map_or(2, |count| count.div_ceil(every_pair(&mut rng).len()));
    for _ in 0..rounds {
        let mut round = every_pair(&mut rng);
        round.shuffle(&mut rng);
        faults.extend(round);
    }
    let Some(count) = count else { return faults };
    let mut sample: Vec<Fault> = Vec::new();
    let mut rest = Vec::new();
    for fault in faults {
        let is_taken = sample.iter().any(|taken| taken.class() == fault.class());
        match !is_taken && is_a_sample(&fault) {
            true => sample.push(fault),
            false => rest.push(fault),
        }
    }
    // However short it is.
    if let Some(at) = sample.iter().position(|fault| matches!(fault, Fault::Poison(_))) {
        sample[..=at].rotate_right(1);
    }
    sample.extend(rest);
    sample.truncate(count);
    sample
}
