//! The whole at work, as one picture: each part with its state and the reason of it, its processes, its figures, and a quarter of
//! an hour of the main ones.
//!
//! It is put together from what each process tells at its admin port (`depot_service::heartbeat`), and from whether the
//! stores answer this one. It is kept in memory, and so is there when a store is away.
//!
//! | file | what |
//! |---|---|
//! | `addresses.rs` | where the processes are |
//! | `instance.rs` | one process, as it was heard |
//! | `figures.rs` | rates and quantiles of what was heard |
//! | `stores.rs` | whether Postgres, Redis and the object store answer |
//! | `stage.rs`, `stages/` | what follows for each part |
//! | `series.rs` | the last quarter of an hour |
//! | `picture.rs` | what is shown |
//! | `watcher.rs` | the task that keeps all of it up to date |

mod addresses;
mod figures;
mod instance;
mod picture;
mod series;
mod stage;
mod stages;
mod stores;
mod watcher;

pub use addresses::AdminAddresses;
pub use picture::{
    DeadLetters, Picture, SagaCount, Series, ServiceInstance, StageEvent, StageFigure, StageName,
    StagePicture, StageSetting, StageState, Unit,
};
pub use stores::Stores;
pub use watcher::Pipeline;
