#![cfg(test)]
//! What spans the services. Each test has a Depot of its own: four processes on real backing services.

mod bad_messages;
mod bad_uploads;
mod breakers;
mod contracts;
mod degradation;
mod demo;
mod documents;
mod door;
mod fail_points;
mod kill_loop;
mod load;
mod main_job;
mod memory;
mod operators;
mod overload;
mod packages;
mod probes;
mod read_replica;
mod readme;
mod schema_check;
mod schemathesis;
mod secrets;
mod slow_watchers;
mod startup;
mod stopped;
mod store_door;
mod store_notifications;
mod sweep_damage;
mod sweep_tool;
mod thousand_uploads;
mod thumbnails;
mod tls;
mod upload_tool;
mod verify;
mod verify_damage;
