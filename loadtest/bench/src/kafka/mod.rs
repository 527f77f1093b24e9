//! Looking at Kafka from outside, and producing to it with nothing in between.

mod listener;
mod log;
mod producer;
mod warm_up;

pub use listener::{Listener, at_the_end, now_micros};
pub use log::{Growth, Log};
pub use producer::{Counting, bare_producer, settings};
pub use warm_up::warm_up;
