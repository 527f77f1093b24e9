//! What query-api can answer: one file a question, with its input, its answer and who may ask. The questions know no
//! transport; REST and gRPC translate to and from them.

mod batch_get_items;
mod declared;
mod download;
mod error;
mod get_item;
mod get_upload;
mod item_history;
mod list_items;
mod page;
mod statistics;
mod trace;
mod watch_items;

use std::sync::Arc;

use depot_service::auth::{Principal, Role};

pub use batch_get_items::{BatchOutcome, MAX_BATCH, WantedItem, batch_get_items};
pub use declared::{DeclaredPage, get_declared, list_declared};
pub use download::{Download, download, download_thumbnail};
pub use error::{InvalidResumeToken, QueryError, describe};
pub use get_item::{get_item, item_view};
pub use get_upload::{get_upload, upload_view};
pub use item_history::{HistoryPage, item_history};
pub use list_items::{
    ItemPage, ListItems, cursor_behind, list_items, parse_owner, parse_tag, parse_text, parse_time,
};
pub use page::PageLimit;
pub use statistics::{Statistics, owner_statistics, statistics, tag_statistics};
pub use trace::Tracer;
pub use watch_items::{
    ItemTopics, MAX_WATCHED_IDS, StreamDoor, WatchEnd, WatchFilter, WatchLimits, WatchMessage, WatchRequest,
    WatchStream, Watches, describe_stream_metrics, watch_items,
};

use crate::{
    change_feed::ChangeFeed, cursor::Cursors, download_urls::DownloadUrls, read::Reader,
    visibility::Visibility,
};

/// What the questions are answered with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queries {
    pub reader: Reader,
    pub visibility: Visibility,
    pub feed: ChangeFeed,
    pub cursors: Cursors,
    pub downloads: Arc<DownloadUrls>,
    pub watches: Watches,
}

/// Items, their history and statistics are for every role.
fn require_reader(principal: &Principal) -> Result<(), QueryError> {
    if principal.has(Role::Reader) {
        return Ok(());
    }
    Err(QueryError::Forbidden("The role reader is needed."))
}
