#![cfg(test)]
//! The outbox and its relay on real Postgres and Kafka.

mod appending;
mod connecting;
mod faults;
mod leadership;
mod migrations;
mod order;
mod parking;
mod partitions;
mod reading;
mod ringing;
mod support;
mod traces;
mod whereabouts;
