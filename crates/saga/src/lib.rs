//! Process managers: declared steps, state in the database, deadlines by the database's clock.
//!
//! A [`Saga`] is a table of [`Step`]s: what each means for the whole ([`SagaState`]), what may follow it, on what, and
//! what is done then ([`Move`]), and what happens when nothing comes ([`Deadline`]). [`Saga::mermaid`] draws it. Its
//! rows live in the table `sagas` of the service's own schema, and move in the transaction of the state that they
//! describe, so that a crash leaves both or neither. What a saga does at a step is the service's code; this crate keeps
//! it to the declaration ([`store`]) and wakes it when a deadline has passed ([`timeout`]).
//!
//! Names of tables are unqualified: connections have the service's schema in their `search_path`.

mod diagram;
mod machine;
mod metrics;
pub mod overview;
pub mod repair;
mod resume;
pub mod store;
pub mod timeout;

pub use machine::{AskAgain, Deadline, Move, Saga, SagaState, Step, UndeclaredStep};
pub use resume::{Resumed, resume, stuck};
