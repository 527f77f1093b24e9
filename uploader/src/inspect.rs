//! What a staged object is, found in one reading to its end: size, hash, and the type that its first bytes tell.

use depot_object_store::{Digest, Hasher, Reading, StoreError};

use crate::{
    content_type::{self, HEAD_BYTES, Mismatch},
    fail_point::FailPoint as _,
};

/// What was found.
pub(crate) struct Inspected {
    pub(crate) digest: Digest,
    /// The first bytes, at most [`HEAD_BYTES`].
    head: Vec<u8>,
}

impl Inspected {
    /// Compares what was found with the announced type.
    ///
    /// # Errors
    /// [`Mismatch`]: it is another one.
    pub(crate) fn compare_type(&self, announced: &str) -> Result<(), Mismatch> {
        content_type::compare(&self.head, announced)
    }
}

/// Reads to the end, in flat memory.
///
/// # Errors
/// The connection to the store broke; nothing is known.
pub(crate) async fn inspect(mut reading: Reading) -> Result<Inspected, StoreError> {
    let (mut hasher, mut head) = (Hasher::default(), Vec::new());
    while let Some(piece) = reading.next().fail_point().await? {
        hasher.update(&piece);
        let wanted = HEAD_BYTES - head.len();
        head.extend_from_slice(&piece[..wanted.min(piece.len())]);
    }
    Ok(Inspected {
        digest: hasher.finish(),
        head,
    })
}
