#![cfg(test)]
//! What is published: whether it is what the code says, and whether it may be published after what was before.

mod asyncapi;
mod committed;
mod compatibility;
mod corpus;
mod declared;
mod openapi;
mod requests;
