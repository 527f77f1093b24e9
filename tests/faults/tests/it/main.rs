#![cfg(test)]
//! The campaign itself, small; and its checker, on programs that are broken on purpose.

mod checker;
mod smoke;
