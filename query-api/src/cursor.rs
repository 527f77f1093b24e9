//! Opaque page cursors: where a page ended, bound to its filter and sort, and authenticated.
//!
//! A cursor is `base64url(format ‖ scope ‖ position ‖ tag)`: one byte of format, 16 bytes of SHA-256 over the question
//! (kind, filter, sort), the position, and 16 bytes of HMAC-SHA-256 under a key derived from `JWT_SECRET`. Nothing in
//! it is secret; it is authenticated so that a position is always one that was given out, for the question it was
//! given out for.

use aws_lc_rs::{constant_time, digest, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};

const FORMAT: u8 = 1;
const SCOPE_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
/// Longer texts cannot be ours: the longest position is a name of 200 characters and an id.
const MAX_TEXT_BYTES: usize = 2_048;

/// A cursor that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCursor {
    #[error("is not a cursor that was given out here; start again without it")]
    Forged,
    #[error("was given out for another filter or sort; repeat the query it came from, or start without it")]
    OtherQuestion,
}

/// What a cursor belongs to: a kind of question with its filter and sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope([u8; SCOPE_BYTES]);

impl Scope {
    /// The scope of these parts; each part is taken with its length, so that none can run into the next.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut scope = [0; SCOPE_BYTES];
        scope.copy_from_slice(&context.finish().as_ref()[..SCOPE_BYTES]);
        Self(scope)
    }
}

/// Seals and opens cursors.
#[derive(Debug, Clone)]
pub struct Cursors {
    key: hmac::Key,
}

impl Cursors {
    /// The key is derived, so that a cursor's tag says nothing about the key of tokens.
    pub fn new(secret: &SecretString) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let derived = hmac::sign(&secret, b"depot query-api cursor v1");
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
        }
    }

    pub fn seal(&self, scope: Scope, position: &[u8]) -> String {
        let mut bytes = Vec::with_capacity(1 + SCOPE_BYTES + position.len() + TAG_BYTES);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&scope.0);
        bytes.extend_from_slice(position);
        let tag = hmac::sign(&self.key, &bytes);
        bytes.extend_from_slice(&tag.as_ref()[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position that was sealed for `scope`.
    ///
    /// # Errors
    /// [`InvalidCursor`]: not sealed here, or for another scope.
    pub fn open(&self, scope: Scope, text: &str) -> Result<Vec<u8>, InvalidCursor> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(InvalidCursor::Forged);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor::Forged)?;
        let (signed, tag) = bytes
            .split_at_checked(bytes.len().saturating_sub(TAG_BYTES))
            .ok_or(InvalidCursor::Forged)?;
        let expected = hmac::sign(&self.key, signed);
        constant_time::verify_slices_are_equal(&expected.as_ref()[..TAG_BYTES], tag)
            .map_err(|_| InvalidCursor::Forged)?;
        let (head, position) = signed
            .split_at_checked(1 + SCOPE_BYTES)
            .ok_or(InvalidCursor::Forged)?;
        match head.split_first() {
            Some((&FORMAT, found)) if found == scope.0 => Ok(position.to_vec()),
            Some((&FORMAT, _)) => Err(InvalidCursor::OtherQuestion),
            _ => Err(InvalidCursor::Forged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursors() -> Cursors {
        Cursors::new(&"0123456789abcdef0123456789abcdef".into())
    }

    #[test]
    fn a_position_reads_back_for_its_own_question_only() {
        let scope = Scope::of(["items", "owner", "alice"]);
        let text = cursors().seal(scope, b"here");
        assert_eq!(cursors().open(scope, &text), Ok(b"here".to_vec()));
        let other = Scope::of(["items", "owneralice", ""]);
        assert_eq!(cursors().open(other, &text), Err(InvalidCursor::OtherQuestion));
    }

    #[test]
    fn any_changed_byte_is_found_out() {
        let scope = Scope::of(["items"]);
        let bytes = URL_SAFE_NO_PAD.decode(cursors().seal(scope, b"here")).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let text = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(
                cursors().open(scope, &text),
                Err(InvalidCursor::Forged),
                "byte {index}"
            );
        }
    }

    #[test]
    fn what_was_sealed_under_another_secret_is_refused() {
        let scope = Scope::of(["items"]);
        let other = Cursors::new(&"another-secret-another-secret-32".into());
        assert_eq!(
            cursors().open(scope, &other.seal(scope, b"here")),
            Err(InvalidCursor::Forged)
        );
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "x", "====", "AAAA", &"A".repeat(5_000), "ünicode"] {
            assert_eq!(
                cursors().open(Scope::of([]), text),
                Err(InvalidCursor::Forged),
                "{text}"
            );
        }
    }
}
