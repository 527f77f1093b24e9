use crate::ids::Owner;

/// How much an owner may store, has stored, and is about to store. Sizes are logical: shared content counts for
/// each owner and each upload in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageAccount {
    pub owner: Owner,
    pub limit_bytes: i64,
    /// Sum of the sizes of files that are attached to items, and of their thumbnails.
    pub used_bytes: i64,
    /// Sum of the sizes of uploads whose outcome is open.
    pub reserved_bytes: i64,
}

/// The upload does not fit; all figures in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the upload needs {requested_bytes} bytes, and {available_bytes} of {limit_bytes} are left: \
     delete files, wait for open uploads, or ask for a higher limit"
)]
pub struct QuotaExceeded {
    pub requested_bytes: i64,
    pub available_bytes: i64,
    pub limit_bytes: i64,
    pub used_bytes: i64,
    pub reserved_bytes: i64,
}

impl StorageAccount {
    pub fn new(owner: Owner, limit_bytes: i64) -> Self {
        Self {
            owner,
            limit_bytes,
            used_bytes: 0,
            reserved_bytes: 0,
        }
    }

    /// Bytes that can still be reserved; 0 where the limit was lowered below what is there.
    pub fn available_bytes(&self) -> i64 {
        (self.limit_bytes - self.used_bytes - self.reserved_bytes).max(0)
    }

    /// Sets `size` bytes aside for an upload.
    pub fn reserve(&mut self, size: i64) -> Result<(), QuotaExceeded> {
        if size > self.available_bytes() {
            return Err(QuotaExceeded {
                requested_bytes: size,
                available_bytes: self.available_bytes(),
                limit_bytes: self.limit_bytes,
                used_bytes: self.used_bytes,
                reserved_bytes: self.reserved_bytes,
            });
        }
        self.reserved_bytes += size;
        Ok(())
    }

    /// The upload was attached: what was reserved is free, what was stored is used. A thumbnail was not known of when the
    /// file's size was reserved, so that the limit may be passed by its size.
    pub fn settle(&mut self, reserved: i64, stored: i64) {
        self.reserved_bytes -= reserved;
        self.used_bytes += stored;
    }

    /// The upload ended without a file: gives back what was reserved.
    pub fn release_reserved(&mut self, size: i64) {
        self.reserved_bytes -= size;
    }

    /// An attached file went: gives back what was used.
    pub fn release_used(&mut self, size: i64) {
        self.used_bytes -= size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(limit: i64) -> StorageAccount {
        StorageAccount::new(Owner::parse("alice").unwrap(), limit)
    }

    #[test]
    fn a_reservation_fits_exactly_or_is_refused_with_the_figures() {
        let mut account = account(100);
        account.reserve(60).unwrap();
        let refused = account.reserve(41).unwrap_err();
        assert_eq!((refused.requested_bytes, refused.available_bytes), (41, 40));
        account.reserve(40).unwrap();
        assert_eq!(account.available_bytes(), 0);
    }

    #[test]
    fn settle_and_release_add_up() {
        let mut account = account(100);
        account.reserve(30).unwrap();
        account.reserve(20).unwrap();
        account.settle(30, 31);
        account.release_reserved(20);
        assert_eq!((account.used_bytes, account.reserved_bytes), (31, 0));
        account.release_used(31);
        assert_eq!(account.available_bytes(), 100);
    }

    #[test]
    fn a_lowered_limit_leaves_nothing_available_rather_than_a_debt() {
        let mut account = account(100);
        account.reserve(80).unwrap();
        account.limit_bytes = 50;
        assert_eq!(account.available_bytes(), 0);
        assert!(account.reserve(1).is_err());
    }
}
