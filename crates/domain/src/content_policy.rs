//! Which types of content are accepted, and how a browser is told to take them.
//!
//! Denied by default on both counts: a type that is not listed is not accepted, and one that is not known to be
//! passive is never named to a browser.

use crate::{ContentType, FieldError, Invalid};

/// Types that a browser does not run, whatever is in them: images without scripts, sound, film, text, documents,
/// archives, and bytes of no type. HTML, SVG, XML, scripts and programs are not among them.
pub const PASSIVE_TYPES: [&str; 32] = [
    "application/gzip",
    "application/json",
    "application/msword",
    "application/octet-stream",
    "application/pdf",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.oasis.opendocument.presentation",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/x-7z-compressed",
    "application/x-tar",
    "application/zip",
    "application/zstd",
    "audio/flac",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "image/avif",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/csv",
    "text/markdown",
    "text/plain",
    "video/mp4",
    "video/webm",
];

/// Types that a browser may show inside a page: their bytes are checked to be of the type when they are stored.
const SHOWN_TYPES: [&str; 4] = ["image/gif", "image/jpeg", "image/png", "image/webp"];

/// What a download is called where its own type could make a browser run it.
const BYTES: &str = "application/octet-stream";

/// The types of content that may be uploaded; by `default` none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcceptedTypes(Vec<ContentType>);

impl AcceptedTypes {
    /// Reads a list of types; an empty one stands for [`PASSIVE_TYPES`].
    ///
    /// # Errors
    /// Every entry that is no media type.
    pub fn parse(entries: Vec<String>) -> Result<Self, Invalid> {
        let (mut types, mut errors) = (Vec::new(), Vec::new());
        let entries = match entries.is_empty() {
            true => PASSIVE_TYPES.map(str::to_owned).to_vec(),
            false => entries,
        };
        for entry in entries {
            match ContentType::parse(entry.clone()) {
                Ok(content_type) => types.push(content_type),
                Err(error) => errors.push(FieldError::new(entry, error.detail)),
            }
        }
        match errors.is_empty() {
            true => Ok(Self(types)),
            false => Err(Invalid(errors)),
        }
    }

    /// # Errors
    /// The type is not on the list; the error says what is.
    pub fn admit(&self, content_type: &ContentType) -> Result<(), FieldError> {
        if self.0.contains(content_type) {
            return Ok(());
        }
        let accepted: Vec<&str> = self.0.iter().map(ContentType::as_str).collect();
        let detail = format!(
            "is {}, accepted are {}",
            content_type.as_str(),
            accepted.join(", ")
        );
        Err(FieldError::new("/content_type", detail))
    }
}

/// Whether a browser may show content of this type inside a page rather than save it.
pub fn may_be_shown(content_type: &str) -> bool {
    SHOWN_TYPES.contains(&content_type)
}

/// The type that a download is labelled with: its own where that is passive, else bytes of no type.
pub fn served_type(content_type: &str) -> &str {
    match PASSIVE_TYPES.contains(&content_type) {
        true => content_type,
        false => BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_of(text: &str) -> ContentType {
        ContentType::parse(text.to_owned()).unwrap()
    }

    #[test]
    fn what_is_not_listed_is_not_accepted() {
        let accepted = AcceptedTypes::parse(Vec::new()).unwrap();
        assert_eq!(accepted.admit(&type_of("image/PNG")), Ok(()));
        for refused in [
            "text/html",
            "image/svg+xml",
            "text/javascript",
            "application/x-foo",
        ] {
            let error = accepted.admit(&type_of(refused)).unwrap_err();
            assert_eq!(error.pointer, "/content_type");
            assert!(
                error.detail.contains(refused) && error.detail.contains("image/png"),
                "{error:?}"
            );
        }
        let own = AcceptedTypes::parse(vec!["text/HTML".into()]).unwrap();
        assert_eq!(own.admit(&type_of("text/html")), Ok(()));
        assert!(own.admit(&type_of("image/png")).is_err());
    }

    #[test]
    fn a_list_with_entries_that_are_no_types_names_them() {
        let Invalid(errors) =
            AcceptedTypes::parse(vec!["image/png".into(), "png".into(), "*/*".into()]).unwrap_err();
        let named: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(named, ["png", "*/*"]);
    }

    #[test]
    fn what_a_browser_could_run_is_labelled_as_bytes_and_never_shown() {
        for active in [
            "text/html",
            "application/xhtml+xml",
            "image/svg+xml",
            "application/xml",
            "text/xml",
            "text/javascript",
            "application/javascript",
            "application/x-executable",
            "application/x-sh",
            "multipart/related",
        ] {
            assert_eq!(served_type(active), "application/octet-stream", "{active}");
            assert!(!may_be_shown(active), "{active}");
        }
        assert_eq!(served_type("application/pdf"), "application/pdf");
        assert!(may_be_shown("image/png") && !may_be_shown("application/pdf"));
    }

    #[test]
    fn every_type_that_is_shown_is_passive() {
        for shown in SHOWN_TYPES {
            assert!(PASSIVE_TYPES.contains(&shown), "{shown}");
        }
    }
}
