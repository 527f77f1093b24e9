//! An upgrade, rehearsed: two versions of the services run side by side under load, and one instance of each at a time is
//! ended and started from the other version.
//!
//! The version that comes next is this tree and a patch ([`next`]): an event has one field more, a view one column more. It is
//! built from a copy of the tree, so no code of the product knows of it. The installation, the load and the check are those
//! of the fault campaign (`tests/faults`); in front of the APIs stands what a Service of Kubernetes is ([`balancer`]).
//!
//! That the rehearsal can fail is shown by a version whose migration renames a column that the running version uses.

pub mod balancer;
mod new_field;
pub mod next;
mod noticed;
pub mod rehearsal;
mod rollout;
mod standstill;
