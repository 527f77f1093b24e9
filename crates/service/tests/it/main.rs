//! Integration tests of what every service shares.
#![cfg(test)]

mod admin;
mod auth;
mod config;
mod database;
mod json;
mod layers;
mod params;
mod problem;
mod requests;
mod shutdown;
mod trace;
