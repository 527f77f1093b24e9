#![cfg(test)]
//! See the package's front page.

mod doorbell;
mod ordered_commit;
mod shutdown;
mod single_flight;
