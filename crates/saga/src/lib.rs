//! Process managers: declared steps, state in the database, deadlines by the database's clock.
//!
//! A [`Saga`] is a table of [`Step`]s: what each means for the whole ([`SagaState`]) and which may follow it. Its rows
//! live in the table `sagas` of the service's own schema, and move in the transaction of the state that they describe,
//! so that a crash leaves both or neither. What a saga does at a step is the service's code; this crate keeps it to
//! the declaration ([`store`]) and wakes it when a deadline has passed ([`timeout`]).
//!
//! Names of tables are unqualified: connections have the service's schema in their `search_path`.

mod machine;
pub mod store;
pub mod timeout;

pub use machine::{Saga, SagaState, Step, UndeclaredStep};
