use std::fmt;

use serde::{Deserialize, Serialize};

use crate::field_error::FieldError;

/// The name a file is downloaded under: 1 to 255 characters, no path separator, no control character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileName(String);

impl FileName {
    pub fn parse(text: String) -> Result<Self, FieldError> {
        let refuse = |detail: &str| Err(FieldError::new("/file_name", detail));
        let length = text.chars().count();
        if length == 0 || length > 255 {
            return refuse(&format!("has {length} characters, 1 to 255 are accepted"));
        }
        if text.contains(['/', '\\']) {
            return refuse("has a path separator: give the name alone");
        }
        if text.chars().any(char::is_control) {
            return refuse("has a control character");
        }
        if text == "." || text == ".." || text.trim().is_empty() {
            return refuse("is no file name");
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A media type such as `image/png`: type and subtype, without parameters, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentType(String);

impl ContentType {
    pub fn parse(text: String) -> Result<Self, FieldError> {
        let refuse = || {
            Err(FieldError::new(
                "/content_type",
                "is no media type: give type and subtype such as image/png, at most 127 characters",
            ))
        };
        // RFC 6838, section 4.2: restricted-name = ALPHA/DIGIT first, then a few marks.
        let is_name = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
        };
        match text.split_once('/') {
            Some((kind, subtype)) if text.len() <= 127 && is_name(kind) && is_name(subtype) => {
                Ok(Self(text.to_ascii_lowercase()))
            }
            _ => refuse(),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The size of a file in bytes, 1 to the limit of one server-side copy (5 GiB).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SizeBytes(i64);

impl SizeBytes {
    /// S3's CopyObject moves at most 5 GiB in one request, whether its source was made of parts or not.
    pub const MAX: i64 = 5 * 1024 * 1024 * 1024;

    pub fn parse(bytes: i64) -> Result<Self, FieldError> {
        if (1..=Self::MAX).contains(&bytes) {
            return Ok(Self(bytes));
        }
        let detail = format!("is {bytes}, 1 to {} are accepted", Self::MAX);
        Err(FieldError::new("/size_bytes", detail))
    }

    pub fn get(self) -> i64 {
        self.0
    }
}

/// A SHA-256 digest, 64 hexadecimal digits, kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sha256(String);

impl Sha256 {
    pub fn parse(text: String) -> Result<Self, FieldError> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(FieldError::new(
            "/sha256",
            "is no SHA-256: give 64 hexadecimal digits",
        ))
    }

    /// From the 32 bytes of the digest.
    pub fn from_digest(digest: [u8; 32]) -> Self {
        use fmt::Write;
        let mut text = String::with_capacity(64);
        for byte in digest {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// The 32 bytes of the digest.
    pub fn to_digest(&self) -> [u8; 32] {
        let nibble = |b: u8| match b {
            b'0'..=b'9' => b - b'0',
            _ => b - b'a' + 10,
        };
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(self.0.as_bytes().chunks_exact(2)) {
            *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
        }
        digest
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_a_name_and_no_path() {
        for bad in ["", "a/b", "..", "a\\b", "a\nb", " "] {
            assert!(FileName::parse(bad.into()).is_err(), "{bad:?}");
        }
        assert!(FileName::parse("x".repeat(10_000)).is_err());
        assert!(FileName::parse("Überblick 2026.pdf".into()).is_ok());
    }

    #[test]
    fn a_content_type_has_type_and_subtype_only() {
        for bad in ["", "png", "image/", "image/png; x=1", "image/p ng", "/png"] {
            assert!(ContentType::parse(bad.into()).is_err(), "{bad:?}");
        }
        assert_eq!(
            ContentType::parse("Image/PNG".into()).unwrap().as_str(),
            "image/png"
        );
    }

    #[test]
    fn sizes_outside_one_copy_are_refused() {
        for bad in [i64::MIN, -1, 0, SizeBytes::MAX + 1] {
            assert!(SizeBytes::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_digest_survives_text_and_back() {
        let digest: [u8; 32] = std::array::from_fn(|i| (i * 37) as u8);
        let text = Sha256::from_digest(digest);
        assert_eq!(
            Sha256::parse(text.as_str().to_uppercase()).unwrap().to_digest(),
            digest
        );
    }
}
