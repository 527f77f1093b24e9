//! Breaks that a program is told to have, so that the checker of the fault campaign can be checked: for each thing that it
//! counts, at least one place where the services then do it wrong.
//!
//! Without the feature `on`, which only `depot-sabotaged` has, [`has`] is false before the program is built, and nothing of
//! a break is left in it. With it, `DEPOT_SABOTAGE` names the one that a process has. It cannot be built for release.
//!
//! None of them goes by luck. Some befall everything; others befall what bears their mark, `marked-` and their name, which
//! the campaign puts on commands that it is certain to send; and where a process has to die at a certain point, it does, by
//! [`die`].
//!
//! Two classic breaks are not among them, since nothing of what is promised breaks by them:
//! - *Two senders in a shard.* Each sends the shard's rows in order from the first one not let go, so that the first
//!   occurrence of each version still comes in order; whatever the other one repeats has the same id and bytes, and is
//!   allowed. What is fenced is what a relay writes to Postgres. [`Break::Reordered`] is a sender that is out of order.
//! - *Offsets of the projector without their guard.* A batch that is stored twice changes nothing: rows go by their
//!   version, history by its key, statistics by the difference that the rows make; and an offset that was set back only
//!   makes the projector read again. [`Break::ViewOffsetFirst`] is an offset that is ahead of the views.

#[cfg(all(feature = "on", not(debug_assertions)))]
compile_error!("a sabotaged program is for the checker's tests, and not for release");

/// A break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// command-api answers what bears the mark, and does not commit it.
    Lost,
    /// command-api heeds no `If-Match`.
    UnheededVersion,
    /// A relay lets go of a row whose send comes to nothing.
    LetGoEarly,
    /// command-api carries a repeated command out once more.
    Duplicated,
    /// A relay publishes what it read from behind.
    Reordered,
    /// query-api ignores the version that was asked for, and the projector is slow.
    Stale,
    /// The projector leaves out a field.
    Diverged,
    /// The projector stores an offset by itself, and dies before the rows.
    ViewOffsetFirst,
    /// The cache takes what is older than what it has, and the projector is late with what came first.
    BlindCache,
    /// The saga does not settle the account.
    Quota,
    /// The uploader deletes an object that others refer to.
    Dangling,
    /// The uploader refers to an object whose deletion was decided, and carried out late.
    KeyUsedAgain,
    /// The uploader tells of a deletion that it did not carry out, and sweeps nothing.
    Orphaned,
    /// The saga takes no notice of stored files.
    Stuck,
    /// A consumer commits an offset, and dies before the work.
    OffsetFirst,
    /// A relay does not send what bears the mark.
    Unpublished,
    /// query-api asks nobody who he is where it has the upload at hand.
    Forbidden,
}

impl Break {
    pub const ALL: [Self; 17] = [
        Self::Lost,
        Self::UnheededVersion,
        Self::LetGoEarly,
        Self::Duplicated,
        Self::Reordered,
        Self::Stale,
        Self::Diverged,
        Self::ViewOffsetFirst,
        Self::BlindCache,
        Self::Quota,
        Self::Dangling,
        Self::KeyUsedAgain,
        Self::Orphaned,
        Self::Stuck,
        Self::OffsetFirst,
        Self::Unpublished,
        Self::Forbidden,
    ];

    /// As `DEPOT_SABOTAGE` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnheededVersion => "unheeded-version",
            Self::LetGoEarly => "let-go-early",
            Self::ViewOffsetFirst => "view-offset-first",
            Self::BlindCache => "blind-cache",
            Self::KeyUsedAgain => "key-used-again",
            Self::OffsetFirst => "offset-first",
            named_as_counted => named_as_counted.counter(),
        }
    }

    /// As the campaign names the counter that is to see it.
    pub fn counter(self) -> &'static str {
        match self {
            Self::Lost | Self::UnheededVersion | Self::LetGoEarly => "lost",
            Self::Duplicated => "duplicated",
            Self::Reordered => "reordered",
            Self::Stale => "stale",
            Self::Diverged | Self::ViewOffsetFirst | Self::BlindCache => "diverged",
            Self::Quota => "quota",
            Self::Dangling | Self::KeyUsedAgain => "dangling",
            Self::Orphaned => "orphaned",
            Self::Stuck | Self::OffsetFirst => "stuck",
            Self::Unpublished => "unpublished",
            Self::Forbidden => "forbidden",
        }
    }
}

#[cfg(feature = "on")]
mod on;
#[cfg(feature = "on")]
pub use on::{die, has, hits};

/// Whether this process has that break: never.
#[cfg(not(feature = "on"))]
#[inline]
pub const fn has(_: Break) -> bool {
    false
}

/// Whether this process has that break, and something bears its mark: never.
#[cfg(not(feature = "on"))]
#[inline]
pub const fn hits(_: Break, _: &[u8]) -> bool {
    false
}

/// Does nothing, since nobody has a break.
#[cfg(not(feature = "on"))]
#[inline]
pub const fn die() {}

#[cfg(test)]
mod tests {
    use super::Break;

    #[test]
    fn each_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = Break::ALL.iter().map(|which| which.name()).collect();
        assert_eq!(names.len(), Break::ALL.len());
    }
}
