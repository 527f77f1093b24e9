use std::{fmt, str::FromStr};

/// The version of an aggregate as clients see it, in an `ETag` or `min_version`.
///
/// It is the aggregate's own version, preceded by the restore epoch once the database was ever set back to an
/// earlier point: versions given out before that are not to be mistaken for those given out again after it.
/// Written `7` in epoch 0, and `2.7` in epoch 2. Ordered by epoch, then version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionToken {
    pub epoch: i32,
    pub version: i64,
}

impl VersionToken {
    pub fn new(epoch: i32, version: i64) -> Self {
        Self { epoch, version }
    }

    /// Epoch and version as one number, ordered as they are, for where one is kept: the version itself in epoch 0. Versions
    /// beyond 2^32 of one aggregate would not be told apart.
    pub fn ordinal(&self) -> i64 {
        (i64::from(self.epoch) << 32) + self.version.min(i64::from(u32::MAX))
    }

    /// As a strong entity tag, quotes included.
    pub fn etag(&self) -> String {
        format!("\"{self}\"")
    }

    /// As the strong entity tag of what version `projection` of the views shows.
    ///
    /// The first version of the views adds nothing, so that the tag is the one that a command answered. A later one
    /// may show the same state in another way, so its tags differ: `"7-p2"`.
    pub fn view_etag(&self, projection: i32) -> String {
        if projection == 1 {
            self.etag()
        } else {
            format!("\"{self}-p{projection}\"")
        }
    }

    /// Whether the opaque part of an entity tag names this version, whichever version of the views gave it out.
    pub fn is_named_by(&self, opaque: &str) -> bool {
        match opaque.strip_prefix(&self.to_string()) {
            Some("") => true,
            Some(rest) => rest.strip_prefix("-p").is_some_and(is_digits),
            None => false,
        }
    }
}

fn is_digits(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())
}

impl fmt::Display for VersionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch == 0 {
            write!(f, "{}", self.version)
        } else {
            write!(f, "{}.{}", self.epoch, self.version)
        }
    }
}

/// A text that is no version token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a version such as 7 (or 1.7 after a restore)")]
pub struct InvalidVersion;

impl FromStr for VersionToken {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let (epoch, version) = match text.split_once('.') {
            Some((epoch, version)) => (epoch, version),
            None => ("0", text),
        };
        if !is_digits(epoch) || !is_digits(version) {
            return Err(InvalidVersion);
        }
        Ok(Self {
            epoch: epoch.parse().map_err(|_| InvalidVersion)?,
            version: version.parse().map_err(|_| InvalidVersion)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_as_it_was_written() {
        for token in [VersionToken::new(0, 7), VersionToken::new(3, 1)] {
            assert_eq!(token.to_string().parse(), Ok(token));
        }
    }

    #[test]
    fn a_rebuilt_view_has_tags_of_its_own() {
        let version = VersionToken::new(0, 7);
        assert_eq!(version.view_etag(1), version.etag());
        assert_eq!(version.view_etag(2), "\"7-p2\"");
    }

    #[test]
    fn a_version_is_named_by_the_tags_of_all_views_and_by_nothing_else() {
        for version in [VersionToken::new(0, 7), VersionToken::new(1, 7)] {
            for projection in [1, 2, 13] {
                let tag = version.view_etag(projection);
                assert!(version.is_named_by(tag.trim_matches('"')), "{tag}");
            }
        }
        for other in [
            "", "77", "71", "1.7", "7-p", "7-px", "7-p+2", "7p2", "-p2", "7-p2-p2",
        ] {
            assert!(!VersionToken::new(0, 7).is_named_by(other), "{other}");
        }
    }

    #[test]
    fn an_epoch_outranks_any_version() {
        assert!(VersionToken::new(1, 1) > VersionToken::new(0, 900));
    }

    #[test]
    fn ordinals_are_ordered_as_the_versions_are() {
        let versions = [
            (0, 1),
            (0, 900),
            (1, 1),
            (1, 2),
            (497_000, 1),
            (i32::MAX, i64::MAX),
        ];
        let ordinals = versions.map(|(epoch, version)| VersionToken::new(epoch, version).ordinal());
        assert!(ordinals.is_sorted_by(|a, b| a < b), "{ordinals:?}");
        assert_eq!(ordinals[1], 900);
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "-1", "+1", "1.", ".1", "a", "1.2.3", "99999999999999999999"] {
            assert_eq!(text.parse::<VersionToken>(), Err(InvalidVersion), "{text}");
        }
    }
}
