//! What can be broken.

use std::{fmt, time::Duration};

use crate::site::{Arrow, Dependency, INSTANCES, PAIRS, Server, Service};

/// A process, or the processes of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Instance(Service, u16),
    Server(Server),
}

/// Shorter than a lease and a session, and longer than both.
pub const SHORT_PAUSE: Duration = Duration::from_secs(5);
pub const LONG_PAUSE: Duration = Duration::from_secs(15);

/// Which way a clock jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    /// Tokens have expired.
    Ahead,
    /// Tokens are not valid yet.
    Back,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, and started again after a moment.
    Kill(Target),
    /// SIGSTOP, and SIGCONT.
    Pause(Target, Duration),
    /// Asked to end, and started again.
    Restart(Target),
    /// Connections are reset, and refused for a while.
    Cut(Arrow),
    /// Connections stay, and nothing comes through.
    Silence(Arrow),
    /// Every piece waits.
    Slow(Arrow),
    /// Every connection of everybody to Postgres is slow.
    SlowPostgres,
    FlushRedis,
    /// No byte is free on the object store's disk.
    FullDisk,
    /// The clock of one instance of both APIs is wrong by hours.
    ClockJump(Jump),
    /// What no handler can take.
    Poison(&'static str),
    /// The newest messages of a topic once more.
    Repeat(&'static str),
    /// Old messages behind new ones, in an order that they never had.
    Disorder(&'static str),
    /// Offsets that hold no message: an aborted transaction.
    Gap(&'static str),
    /// A third instance comes, and one of the three is killed.
    Scale(Service),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(service, number) => write!(f, "{}-{number}", service.name()),
            Self::Server(Server::Kafka(node)) => write!(f, "kafka-{node}"),
            Self::Server(server) => write!(f, "{}", format!("{server:?}").to_lowercase()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = |f: &mut fmt::Formatter<'_>, what, (caller, to): &Arrow| {
            let caller = caller.map_or("clients", Service::name);
            write!(f, "{what} {caller} to {}", to.name())
        };
        match self {
            Self::Kill(target) => write!(f, "kill {target}"),
            Self::Pause(target, long) => write!(f, "pause {target} for {} s", long.as_secs()),
            Self::Restart(target) => write!(f, "restart {target}"),
            Self::Cut(arrow) => between(f, "cut", arrow),
            Self::Silence(arrow) => between(f, "silence", arrow),
            Self::Slow(arrow) => between(f, "slow", arrow),
            Self::SlowPostgres => f.write_str("slow everybody to postgres"),
            Self::FlushRedis => f.write_str("flush redis"),
            Self::FullDisk => f.write_str("fill the object store's disk"),
            Self::ClockJump(Jump::Ahead) => f.write_str("set the clocks of two instances ahead"),
            Self::ClockJump(Jump::Back) => f.write_str("set the clocks of two instances back"),
            Self::Poison(topic) => write!(f, "poison {topic}"),
            Self::Repeat(topic) => write!(f, "repeat {topic}"),
            Self::Disorder(topic) => write!(f, "disorder {topic}"),
            Self::Gap(topic) => write!(f, "gap {topic}"),
            Self::Scale(service) => write!(f, "third {}, and one killed", service.name()),
        }
    }
}

impl Fault {
    /// The class, for the table of recoveries.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::Pause(_, long) if *long == LONG_PAUSE => "long pause",
            Self::Pause(..) => "short pause",
            Self::Restart(_) => "restart",
            Self::Cut(_) => "cut",
            Self::Silence(_) => "silence",
            Self::Slow(_) | Self::SlowPostgres => "slow",
            Self::FlushRedis => "flush",
            Self::FullDisk => "full disk",
            Self::ClockJump(_) => "clock",
            Self::Poison(_) => "poison",
            Self::Repeat(_) => "repeat",
            Self::Disorder(_) => "disorder",
            Self::Gap(_) => "gap",
            Self::Scale(_) => "scale",
        }
    }

    /// What must not be disturbed by another fault at the same time, since that could not be undone in order.
    pub fn occupies(&self) -> Vec<String> {
        match self {
            Self::Kill(target) | Self::Pause(target, _) | Self::Restart(target) => vec![target.to_string()],
            Self::Cut(arrow) | Self::Silence(arrow) | Self::Slow(arrow) => vec![format!("{arrow:?}")],
            Self::SlowPostgres => {
                let arrows = PAIRS.iter().filter(|(_, to)| *to == Dependency::Postgres);
                arrows.map(|arrow| format!("{arrow:?}")).collect()
            }
            Self::FullDisk => vec!["disk".into(), Target::Server(Server::ObjectStore).to_string()],
            Self::FlushRedis => vec![Target::Server(Server::Redis).to_string()],
            Self::ClockJump(_) => vec!["clock".into()],
            // The log is read and written from outside: brokers that are away would only delay it.
            Self::Poison(_) | Self::Repeat(_) | Self::Disorder(_) | Self::Gap(_) => vec!["log".into()],
            Self::Scale(service) => (1..=INSTANCES)
                .map(|number| Target::Instance(*service, number).to_string())
                .collect(),
        }
    }
}
