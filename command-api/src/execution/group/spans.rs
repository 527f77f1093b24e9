//! The spans of a shared transaction: one for each of its commands whose trace is recorded.

use std::{borrow::Cow, time::SystemTime};

use depot_spans::{OpenSpan, Parent, database::Outcome};

use super::{super::answer::Answer, member::Member};
use crate::{
    commands::{Cause, CommandError, Writer},
    store::Nature,
};

/// By the places of the commands; empty where none of them is recorded.
pub(super) struct Spans(Vec<Option<OpenSpan>>);

impl Spans {
    /// The transaction is about to begin.
    pub fn begin(writer: &Writer, members: &[Member]) -> Self {
        if !depot_spans::is_recording() {
            return Self(Vec::new());
        }
        let began = SystemTime::now();
        let span = |member: &Member| {
            let trace = member.cause.trace.as_ref()?;
            let parent = Parent::of(Some(&trace.traceparent), trace.tracestate.as_deref())?;
            writer.span_in(&parent, members.len(), began)
        };
        Self(members.iter().map(span).collect())
    }

    /// What is to be named as the cause of what the command at `place` writes.
    pub fn cause<'a>(&self, place: usize, member: &'a Member) -> Cow<'a, Cause> {
        match self.0.get(place) {
            Some(Some(span)) => Cow::Owned(member.cause.within(span)),
            _ => Cow::Borrowed(&member.cause),
        }
    }

    /// The transaction has ended so.
    pub fn end(self, done: &Result<Vec<Option<Answer>>, CommandError>) {
        for (place, span) in self.0.into_iter().enumerate() {
            let Some(span) = span else { continue };
            match done {
                Ok(answers) if answers.get(place).is_some_and(Option::is_some) => {
                    span.end_transaction(Outcome::Committed);
                }
                Ok(_) => span.end_transaction(Outcome::LeftOut),
                Err(error) => {
                    let nature = error.nature().unwrap_or(Nature::Fault);
                    span.end_as(Some(nature.as_str()));
                }
            }
        }
    }
}
