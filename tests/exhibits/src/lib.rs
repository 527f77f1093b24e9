//! The naive ways of an outbox and of its consumers, each made to fail on a real Postgres and a real Kafka, and Depot's way
//! through the same interleaving, which does not.
//!
//! One file of `tests/it` is one exhibit: the naive way, written out; the steps that break it, forced one by one by the
//! connections that take them, never by a pause; the same steps by Depot's own code; and a story, line by line, which is
//! printed (`make exhibits`), and which `docs/outbox.md` shows word for word.
//!
//! Tables of the naive way are in a schema `naive` of the test's own database. Nothing of it is used anywhere else.
