#![cfg(test)]
//! An upgrade that loses nothing, and one that would.

mod upgrade;
