//! Integration tests of what every service shares.
#![cfg(test)]

mod admin;
mod auth;
mod config;
mod connections;
mod database;
mod heartbeat;
mod issuer;
mod json;
mod keys;
mod layers;
mod params;
mod problem;
mod profiling;
mod rate_limit;
mod requests;
mod shutdown;
mod startup;
mod trace;
