//! On a real Kafka in which the faults are planted.
#![cfg(test)]

mod brokers;
mod topics;
