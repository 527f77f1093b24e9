use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Result, bail};

/// Below the ports that the system hands out: while a server is down for a moment, a client that connects to it again and
/// again could be given that very port as its own, and the server would not come back.
static SINGLE: Block = Block {
    first: 28_000,
    step: 1,
    steps: 4_700,
    next: AtomicU16::new(0),
};
/// Likewise, with space beside each.
static SPACED: Block = Block {
    first: 20_000,
    step: 20,
    steps: 400,
    next: AtomicU16::new(0),
};

/// Likewise, with space for three of those in a row.
static WIDE: Block = Block {
    first: 11_000,
    step: 60,
    steps: 60,
    next: AtomicU16::new(0),
};

struct Block {
    first: u16,
    step: u16,
    steps: u16,
    /// No two that are asked for by one process meet before the first of them is listened on.
    next: AtomicU16,
}

/// A port on which nothing listens.
///
/// # Errors
/// When none is free.
pub fn free_port() -> Result<u16> {
    SINGLE.find(&[])
}

/// As [`free_port`], and nothing listens at these distances above it, each less than 20.
///
/// # Errors
/// When none is free.
pub fn free_port_beside(distances: &[u16]) -> Result<u16> {
    SPACED.find(distances)
}

/// As [`free_port`], and nothing listens at these distances above it, each less than 60: for a cluster.
///
/// # Errors
/// When none is free.
pub fn free_port_with_room(distances: &[u16]) -> Result<u16> {
    WIDE.find(distances)
}

impl Block {
    fn find(&self, beside: &[u16]) -> Result<u16> {
        let begin = std::process::id().wrapping_mul(97) % u32::from(self.steps);
        for _ in 0..self.steps {
            let turn = u32::from(self.next.fetch_add(1, Ordering::Relaxed));
            let step = ((begin + turn) % u32::from(self.steps)) as u16;
            let port = self.first + self.step * step;
            if is_free(port) && beside.iter().all(|more| is_free(port + more)) {
                return Ok(port);
            }
        }
        bail!(
            "no port is free between {} and {}",
            self.first,
            self.first + self.step * self.steps
        )
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice_or_handed_out_by_the_system() {
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let first: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
        let mut given: Vec<_> = (0..50).map(|_| free_port().unwrap()).collect();
        given.extend((0..50).map(|_| free_port_beside(&[1, 19]).unwrap()));
        assert!(given.iter().all(|port| port + 19 < first), "{given:?}");
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), 100);
    }
}
