#![cfg(test)]
//! The ground that everything stands on: the broker, and the database roles as `depot migrate` leaves them.

mod ground;
mod roles;
