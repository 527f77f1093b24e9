use uuid::Uuid;

/// The key in the bucket of files: `<sha256>/<upload id>`, and `<sha256>/<upload id>-<n>` where the same upload had
/// to begin anew because the deletion of its earlier key was decided.
pub(crate) fn object_key(sha256: &str, upload: Uuid, attempt: u32) -> String {
    match attempt {
        0 => format!("{sha256}/{upload}"),
        n => format!("{sha256}/{upload}-{n}"),
    }
}
