//! The type that a file's first bytes tell, compared with the one that was announced.
//!
//! The signatures are `infer`'s. What they can't decide is decided here: text has no signature, containers hold more
//! than one kind of document, and some types go by several names.

/// As many first bytes as are looked at: office documents name their kind in the third entry of their archive.
pub(crate) const HEAD_BYTES: usize = 8 * 1024;

/// What the first bytes are, where it is not what was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) found: &'static str,
}

/// Families whose signatures can't tell their members apart, or of which one is read as another. The first of each is
/// what is found where nothing more can be told.
const FAMILIES: [&[&str]; 6] = [
    // Older office documents are compound files; what is in one is told by a directory that may lie anywhere in it.
    &[
        "application/x-ole-storage",
        "application/msword",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "application/vnd.ms-outlook",
        "application/x-msi",
    ],
    // ISO base media: the brand in the head does not say whether there are pictures.
    &[
        "video/mp4",
        "audio/mp4",
        "audio/m4a",
        "video/x-m4v",
        "video/quicktime",
    ],
    &["video/x-matroska", "video/webm", "audio/webm", "audio/x-matroska"],
    &["audio/ogg", "audio/opus", "video/ogg", "application/ogg"],
    &["application/font-sfnt", "font/ttf", "font/otf", "font/sfnt"],
    &["image/heif", "image/heic"],
];

/// Names for one thing: what is announced, and what `infer` calls it.
const ALIASES: [(&str, &str); 15] = [
    ("image/jpg", "image/jpeg"),
    ("image/x-icon", "image/vnd.microsoft.icon"),
    ("image/x-ms-bmp", "image/bmp"),
    ("audio/wav", "audio/x-wav"),
    ("audio/vnd.wave", "audio/x-wav"),
    ("audio/wave", "audio/x-wav"),
    ("audio/flac", "audio/x-flac"),
    ("audio/aiff", "audio/x-aiff"),
    ("audio/mp3", "audio/mpeg"),
    ("application/x-gzip", "application/gzip"),
    ("application/x-zip-compressed", "application/zip"),
    ("application/x-rar-compressed", "application/vnd.rar"),
    ("application/vnd.microsoft.icon", "image/vnd.microsoft.icon"),
    ("font/woff", "application/font-woff"),
    (
        "application/x-msdownload",
        "application/vnd.microsoft.portable-executable",
    ),
];

const ZIP: &str = "application/zip";
const ANY_BYTES: &str = "application/octet-stream";
/// What bytes are called that no signature is known for.
const UNKNOWN: &str = "of no known type";

/// Compares the first bytes of a file, at most [`HEAD_BYTES`], with the announced type.
///
/// # Errors
/// [`Mismatch`]: the bytes are of another type, or have not the signature that the announced type has.
pub(crate) fn compare(head: &[u8], announced: &str) -> Result<(), Mismatch> {
    if announced == ANY_BYTES {
        // It claims nothing; nor is it ever served as anything else.
        return Ok(());
    }
    let found = infer::get(head)
        .map(|found| found.mime_type())
        .filter(|found| *found != ANY_BYTES);
    if is_textual(announced) {
        // Many signatures are a few letters, with which a text may begin: whether it is text is told by its bytes.
        return match has_binary_bytes(head) {
            false => Ok(()),
            true => Err(Mismatch {
                found: found.unwrap_or(ANY_BYTES),
            }),
        };
    }
    let announced = canonical(announced);
    match found {
        Some(found) if is_compatible(found, announced) => Ok(()),
        Some(found) => Err(Mismatch { found }),
        None if is_frame_of_mpeg_audio(head) && announced == "audio/mpeg" => Ok(()),
        None if has_signature(announced) => Err(Mismatch { found: UNKNOWN }),
        None => Ok(()),
    }
}

fn canonical(announced: &str) -> &str {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == announced);
    alias.map_or(announced, |(_, name)| name)
}

fn is_compatible(found: &str, announced: &str) -> bool {
    found == announced
        || FAMILIES
            .iter()
            .any(|family| family.contains(&found) && family.contains(&announced))
        // Documents in an archive may come in any order of entries, and then look like any archive.
        || (found == ZIP && is_in_zip(announced))
        || (announced == ZIP && is_in_zip(found))
}

/// Documents that are a ZIP archive.
fn is_in_zip(content_type: &str) -> bool {
    content_type.starts_with("application/vnd.openxmlformats-officedocument.")
        || content_type.starts_with("application/vnd.oasis.opendocument.")
        || content_type.ends_with("+zip")
        || content_type == "application/java-archive"
        || content_type == "application/vnd.android.package-archive"
}

/// Whether `infer` would have found a file of this type.
fn has_signature(announced: &str) -> bool {
    infer::is_mime_supported(announced)
        || is_in_zip(announced)
        || FAMILIES.iter().any(|family| family.contains(&announced))
}

/// Types whose bytes are text: they have no signature.
fn is_textual(content_type: &str) -> bool {
    content_type.starts_with("text/")
        || content_type.ends_with("+json")
        || content_type.ends_with("+xml")
        || [
            "application/json",
            "application/xml",
            "application/javascript",
            "application/ecmascript",
            "application/x-ndjson",
            "application/yaml",
            "application/toml",
            "application/sql",
            "application/x-sh",
        ]
        .contains(&content_type)
}

/// The WHATWG's "MIME Sniffing", section 7.2: bytes that no text has, unless a byte order mark says that it is UTF-16.
fn has_binary_bytes(head: &[u8]) -> bool {
    if head.starts_with(&[0xFE, 0xFF]) || head.starts_with(&[0xFF, 0xFE]) {
        return false;
    }
    head.iter()
        .any(|byte| matches!(byte, 0x00..=0x08 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F))
}

/// ISO 11172-3, section 2.4.1.3: eleven bits of sync, then a version and a layer that are not reserved. `infer` knows
/// three of the words that a stream without tags may begin with.
fn is_frame_of_mpeg_audio(head: &[u8]) -> bool {
    matches!(head, [0xFF, second, ..] if second & 0xE0 == 0xE0 && second & 0x18 != 0x08 && second & 0x06 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF";
    const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    const ODT: &str = "application/vnd.oasis.opendocument.text";

    /// An archive of stored entries with some bytes each, as far as a head shows it.
    fn archive(entries: &[&str]) -> Vec<u8> {
        const CONTENT: [u8; 64] = [b'x'; 64];
        let mut bytes = Vec::new();
        for name in entries {
            bytes.extend(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0");
            bytes.extend((CONTENT.len() as u32).to_le_bytes());
            bytes.extend((CONTENT.len() as u32).to_le_bytes());
            bytes.extend((name.len() as u32).to_le_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend(CONTENT);
        }
        bytes
    }

    #[track_caller]
    fn fits(head: &[u8], announced: &str) {
        assert_eq!(compare(head, announced), Ok(()), "{announced}");
    }

    #[track_caller]
    fn differs(head: &[u8], announced: &str, found: &'static str) {
        assert_eq!(compare(head, announced), Err(Mismatch { found }), "{announced}");
    }

    #[test]
    fn bytes_with_a_signature_are_of_that_type_and_of_no_other() {
        fits(PNG, "image/png");
        fits(JPEG, "image/jpeg");
        fits(JPEG, "image/jpg");
        differs(JPEG, "image/png", "image/jpeg");
        differs(PNG, "application/pdf", "image/png");
        differs(ELF, "image/png", "application/x-executable");
        differs(
            b"MZ\x90\0\x03\0\0\0",
            "application/pdf",
            "application/vnd.microsoft.portable-executable",
        );
        differs(b"<html><script>alert(1)</script>", "image/png", "text/html");
    }

    #[test]
    fn bytes_without_the_signature_of_their_type_are_not_of_it() {
        for announced in [
            "image/png",
            "application/pdf",
            "application/zip",
            "audio/mpeg",
            "video/mp4",
            DOCX,
            ODT,
        ] {
            differs(b"just some words", announced, UNKNOWN);
            differs(b"a", announced, UNKNOWN);
        }
        // Nothing is known of this one, so nothing can be said against it.
        fits(b"just some words", "application/x-unheard-of");
        differs(PNG, "application/x-unheard-of", "image/png");
    }

    #[test]
    fn text_is_text_whatever_letters_it_begins_with() {
        for head in [
            &b"abc"[..],
            b"BM,MZ,ID3\n1,2,3",
            b"# Title\n<p align=\"center\">",
            b"<?xml version=\"1.0\"?>",
            b"#!/bin/sh\n",
            "Überblick".as_bytes(),
            b"\xdcberblick",
            b"\xff\xfea\0b\0",
        ] {
            fits(head, "text/plain");
            fits(head, "text/csv");
            fits(head, "application/json");
        }
        differs(PNG, "text/plain", "image/png");
        differs(ELF, "text/csv", "application/x-executable");
        differs(b"a\0b", "application/json", ANY_BYTES);
    }

    #[test]
    fn documents_in_archives_are_told_apart_where_the_archive_tells() {
        let docx = archive(&[
            "[Content_Types].xml",
            "_rels/.rels",
            "word/document.xml",
            "word/styles.xml",
        ]);
        let xlsx = archive(&[
            "[Content_Types].xml",
            "_rels/.rels",
            "xl/workbook.xml",
            "xl/styles.xml",
        ]);
        let other = archive(&["a.txt"]);
        fits(&docx, DOCX);
        fits(&xlsx, XLSX);
        differs(&docx, XLSX, DOCX);
        differs(&docx, "image/png", DOCX);
        // Any document in an archive is an archive; and an archive may hide its kind.
        fits(&docx, "application/zip");
        fits(&other, "application/zip");
        fits(&other, DOCX);
        fits(&other, ODT);
        differs(&other, "application/msword", ZIP);
    }

    #[test]
    fn families_that_a_head_does_not_tell_apart_are_one() {
        let compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0\0\0\0\0\0\0";
        fits(compound, "application/msword");
        fits(compound, "application/vnd.ms-excel");
        fits(b"\0\0\0\x18ftypM4A \0\0\0\0", "audio/mp4");
        fits(b"OggS\0\x02\0\0\0\0\0\0", "audio/ogg");
        fits(b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav");
        // A frame whose word `infer` does not know: layer III with a checksum.
        fits(b"\xff\xfa\x90\x64\0\0", "audio/mpeg");
        fits(b"\xff\xfb\x90\x64\0\0", "audio/mpeg");
    }

    #[test]
    fn a_head_that_ends_anywhere_is_compared_all_the_same() {
        let docx = archive(&[
            "[Content_Types].xml",
            "_rels/.rels",
            "word/document.xml",
            "word/styles.xml",
        ]);
        let huge = [&b"PK\x03\x04"[..], &[0xFF; 60]].concat();
        for head in [PNG, JPEG, ELF, &docx, &huge] {
            for length in 0..=head.len() {
                for announced in ["image/png", "text/plain", "application/zip", DOCX, "audio/mpeg"] {
                    let _compared = compare(&head[..length], announced);
                }
            }
        }
    }

    #[test]
    fn bytes_of_no_announced_type_may_be_anything() {
        fits(ELF, "application/octet-stream");
        fits(b"<html>", "application/octet-stream");
    }
}
