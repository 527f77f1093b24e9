//! The allocator of every service.

/// Not where threads are sanitized: what it does between threads is not seen there, and would be taken for races.
#[cfg(not(tsan))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
