#![cfg(test)]
//! The ground that everything stands on: the broker, and the database roles as `depot migrate` leaves them.

mod forbidden;
mod ground;
mod operator;
mod roles;
