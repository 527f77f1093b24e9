//! The object store, by plain S3 so that any server serves: presigned URLs, streaming reads, copies bound to what
//! was verified.
//!
//! Nothing is retried here: the callers decide what waits and for how long, by the kind of [`StoreError`]. Every call
//! has a deadline. An ETag is never taken for a checksum, only as the name of exactly those bytes.

mod bucket_rules;
mod buckets;
mod copy;
mod disposition;
mod error;
mod multipart;
mod objects;
mod presign;
mod probe;
mod put_stream;
mod read;
mod store;
mod watch;

pub use copy::CopyOutcome;
pub use disposition::Disposition;
pub use error::{Operation, StoreError};
pub use multipart::{
    AfterMultipart, Completion, MAX_PARTS, MIN_PART_BYTES, OpenMultipart, OpenMultiparts, Part,
};
pub use objects::{Listed, ObjectInfo, Page};
pub use presign::{Download, Presigned, UploadTerms};
pub use probe::{CopyConditions, PROBE_PREFIX};
pub use put_stream::{StreamError, StreamTerms};
pub use read::{Digest, Hasher, Reading};
pub use store::{Identity, InvalidAuthorities, ObjectStore};
pub use watch::{StoreWatch, StoreWatchError};
