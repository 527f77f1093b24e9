//! What projector writes and query-api reads, so that both agree on it: what a view says over REST, the keys and
//! entries of the cache in Redis, and the notifications of changes.
//!
//! The tables themselves are in `migrations/read`. Postgres holds the truth; the cache costs speed and never
//! correctness:
//!
//! - A key carries the version of the views and a *generation* ([`CacheKeys`]), both kept in Postgres. Whoever reads
//!   the cache takes them from there, at most a second old. The projector raises the generation when Redis was away
//!   or was restarted: what Redis held before is never read again.
//! - An entry ([`CacheEntry`]) begins with its version; the only way to write one is [`StoreScript`], which refuses
//!   an older one. Whoever fills the cache from Postgres does so for at most [`MAX_FILL_TTL`], since the row may have
//!   changed between its read and the write; the projector alone writes for longer.
//! - A notification ([`ChangeNotice`]) is a hint: it may be lost.

mod change;
mod entry;
mod history;
mod item;
mod keys;
mod redis_client;
mod statistics;
mod store_script;
mod upload;

pub use change::{Change, ChangeNotice, EntityKind};
pub use entry::{CacheEntry, InvalidEntry};
pub use history::HistoryEntry;
pub use item::{AttachedFile, ItemView};
pub use keys::{CacheKeys, changes_channel};
pub use redis_client::redis_client;
pub use statistics::{OwnerStatistics, TagStatistics};
pub use store_script::{MAX_FILL_TTL, StoreOutcome, StoreScript};
pub use upload::{ThumbnailView, UploadView};

use time::OffsetDateTime;

/// A time as the views have it: in UTC, to the microsecond, as Postgres keeps it. Without this the same item would
/// read differently from the cache and from the table.
fn stored_time(time: OffsetDateTime) -> OffsetDateTime {
    let time = time.to_offset(time::UtcOffset::UTC);
    time.replace_nanosecond(time.nanosecond() / 1_000 * 1_000)
        .unwrap_or(time)
}
