/// What a browser does with a download.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Disposition {
    /// Saves it.
    #[default]
    Attachment,
    /// Shows it, where it can.
    Inline,
}

impl Disposition {
    /// `Content-Disposition` after RFC 6266, with the name in RFC 8187's encoding beside a plain one.
    pub(crate) fn header(self, file_name: &str) -> String {
        let kind = match self {
            Self::Attachment => "attachment",
            Self::Inline => "inline",
        };
        let shown: String = file_name
            .chars()
            .map(|c| if is_invisible(c) { '_' } else { c })
            .collect();
        format!(
            "{kind}; filename=\"{}\"; filename*=UTF-8''{}",
            plain(&shown),
            encoded(&shown)
        )
    }
}

/// Characters that are not seen and turn around what is: with one, `gpj.exe` reads as a picture's name.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

/// A quoted string without anything that would have to be quoted in it.
fn plain(file_name: &str) -> String {
    let keeps = |c: char| c.is_ascii_alphanumeric() || " .-_".contains(c);
    file_name
        .chars()
        .map(|c| if keeps(c) { c } else { '_' })
        .collect()
}

/// RFC 8187, section 3.2: every byte of the UTF-8 that is no `attr-char` as `%XX`.
fn encoded(file_name: &str) -> String {
    let mut encoded = String::new();
    for byte in file_name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::Disposition;

    #[test]
    fn a_file_name_cannot_leave_its_header() {
        assert_eq!(
            Disposition::Attachment.header("a\"; x=\"ü.txt"),
            "attachment; filename=\"a__ x___.txt\"; filename*=UTF-8''a%22%3B%20x%3D%22%C3%BC.txt"
        );
        assert_eq!(
            Disposition::Inline.header("a\r\nb.png"),
            "inline; filename=\"a__b.png\"; filename*=UTF-8''a__b.png"
        );
    }

    #[test]
    fn a_file_name_cannot_be_read_backwards() {
        assert_eq!(
            Disposition::Attachment.header("photo\u{202e}gpj.exe"),
            "attachment; filename=\"photo_gpj.exe\"; filename*=UTF-8''photo_gpj.exe"
        );
    }
}
