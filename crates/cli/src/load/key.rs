use std::{fmt, io, io::Read as _, path::Path, str::FromStr};

use aws_lc_rs::digest::{Context, SHA256};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PIECE: usize = 256 * 1024;
/// Of the digest, in hexadecimal digits: no two files have the same by chance.
const ID_DIGITS: usize = 32;

/// What a load is known by: part of every row's idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadId(String);

impl LoadId {
    /// Of what a file has, whatever it is called. Reads all of it, and blocks; none if it was called off meanwhile.
    pub fn of_content(path: &Path, called_off: &CancellationToken) -> io::Result<Option<Self>> {
        let mut file = std::fs::File::open(path)?;
        let (mut hasher, mut piece) = (Context::new(&SHA256), vec![0; PIECE]);
        loop {
            if called_off.is_cancelled() {
                return Ok(None);
            }
            match file.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => hasher.update(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let digits = hasher.finish();
        let digits = digits.as_ref().iter().map(|byte| format!("{byte:02x}"));
        let digits: String = digits.collect();
        Ok(Some(Self(digits.chars().take(ID_DIGITS).collect())))
    }

    /// Of rows that are not known before they are read.
    pub fn unique() -> Self {
        Self(Uuid::now_v7().simple().to_string())
    }

    /// The idempotency key of a row: the same whenever, and by whomever, the row is sent.
    pub fn key(&self, row: u64) -> String {
        format!("load-{}-{row}", self.0)
    }
}

impl fmt::Display for LoadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LoadId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        match (1..=64).contains(&text.len()) && text.chars().all(is_legal) {
            true => Ok(Self(text.to_owned())),
            false => Err("an id has 1 to 64 letters, digits, dots, hyphens and underscores"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_for_the_same_row_of_the_same_content_only() {
        let folder = std::env::temp_dir().join(format!("depot-key-{}", Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            LoadId::of_content(&path, &CancellationToken::new())
                .unwrap()
                .unwrap()
        };
        let (one, same, other) = (file("a", "x\n"), file("b", "x\n"), file("c", "y\n"));
        assert_eq!(one.key(1), same.key(1));
        assert_ne!(one.key(1), one.key(2));
        assert_ne!(one.key(1), other.key(1));
        // No id and row run together with another id and row.
        let id = |text: &str| text.parse::<LoadId>().unwrap();
        assert_ne!(id("a-1").key(2), id("a").key(12));
        assert_ne!(id("a1").key(2), id("a").key(12));
        assert_eq!(one.to_string().len(), ID_DIGITS);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn an_id_is_one_that_a_key_takes() {
        assert_eq!(
            "spring-2026".parse::<LoadId>().unwrap().key(7),
            "load-spring-2026-7"
        );
        for wrong in ["", "a b", "a,b", "ä", &"x".repeat(65)] {
            assert!(wrong.parse::<LoadId>().is_err(), "{wrong}");
        }
    }
}
