use std::{
    collections::HashMap,
    io::{self, BufRead},
};

use serde::de::IgnoredAny;

use super::rows::{Fault, MAX_ROW_BYTES, ReadFault, Row};

/// Of a line that is shown for what is wrong with it.
const SHOWN_CHARS: usize = 2_000;

/// The lines of an input. One without anything in it is passed over, and counted.
pub struct Lines<R> {
    input: R,
    number: u64,
    offset: u64,
}

/// A line without its end; not more of it than a row may have.
struct Line {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl<R: BufRead> Lines<R> {
    pub fn new(input: R) -> Self {
        Self {
            input,
            number: 0,
            offset: 0,
        }
    }

    /// The next line, none at the end. What is beyond the bound is read, and not kept.
    fn line(&mut self) -> io::Result<Option<Line>> {
        let (mut bytes, mut is_too_long, mut is_begun) = (Vec::new(), false, false);
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok(is_begun.then_some(Line { bytes, is_too_long }));
            }
            is_begun = true;
            let end = available.iter().position(|byte| *byte == b'\n');
            let piece = &available[..end.unwrap_or(available.len())];
            if bytes.len() + piece.len() <= MAX_ROW_BYTES {
                bytes.extend_from_slice(piece);
            } else {
                is_too_long = true;
            }
            let read = piece.len() + usize::from(end.is_some());
            self.input.consume(read);
            self.offset += read as u64;
            if end.is_some() {
                return Ok(Some(Line { bytes, is_too_long }));
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Row, ReadFault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.line() {
                Ok(Some(line)) => line,
                Ok(None) => return None,
                Err(error) => return Some(Err(error.into())),
            };
            self.number += 1;
            if let Some((text, fault)) = content(&line, self.number == 1) {
                return Some(Ok(Row {
                    number: self.number,
                    end: self.offset,
                    text,
                    fault,
                }));
            }
        }
    }
}

/// What a line has, and what is wrong with it; none for nothing.
fn content(line: &Line, is_first: bool) -> Option<(String, Option<Fault>)> {
    let bytes = match line.bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(behind_mark) if is_first => behind_mark,
        _ => line.bytes.as_slice(),
    };
    let lossy = || -> String { String::from_utf8_lossy(bytes).chars().take(SHOWN_CHARS).collect() };
    if line.is_too_long {
        let fault = Fault::new("row-too-long", format!("has more than {MAX_ROW_BYTES} bytes"));
        return Some((lossy(), Some(fault)));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Some((lossy(), Some(Fault::new("not-utf8", "is no UTF-8"))));
    };
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    // Whose values are right is the server's to say; the text is sent as it stands, so that numbers stay what they are.
    match serde_json::from_str::<HashMap<String, IgnoredAny>>(text) {
        Ok(_) => Some((text.to_owned(), None)),
        Err(error) => {
            let fault = Fault::new("not-an-object", format!("is no JSON object: {error}"));
            Some((lossy().trim().to_owned(), Some(fault)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(input: &[u8]) -> Vec<Row> {
        Lines::new(input).map(|row| row.unwrap()).collect()
    }

    #[test]
    fn lines_are_counted_as_they_stand_and_sent_as_they_are() {
        let input = b"\xef\xbb\xbf{\"name\": \"a\"}\r\n\n  {\"name\":1.10}  \n{\"last\": {}}";
        let found = rows(input);
        let seen: Vec<_> = found.iter().map(|row| (row.number, row.text.as_str())).collect();
        assert_eq!(
            seen,
            [
                (1, "{\"name\": \"a\"}"),
                (3, "{\"name\":1.10}"),
                (4, "{\"last\": {}}")
            ]
        );
        assert!(found.iter().all(|row| row.fault.is_none()));
        assert_eq!(found.last().map(|row| row.end), Some(input.len() as u64));
    }

    #[test]
    fn what_is_no_object_is_told_and_stops_nobody() {
        let found = rows(b"[1]\nnonsense\n{\"name\":\n\xff\xfe\n{}\n");
        let problems: Vec<_> = found
            .iter()
            .map(|row| row.fault.as_ref().map(|fault| fault.problem))
            .collect();
        let no_object = Some("not-an-object");
        assert_eq!(
            problems,
            [no_object, no_object, no_object, Some("not-utf8"), None]
        );
        assert_eq!(found[1].text, "nonsense");
    }

    #[test]
    fn a_line_without_end_is_not_kept_in_memory() {
        let mut input = vec![b'x'; 3 * MAX_ROW_BYTES];
        input.extend_from_slice(b"\n{}\n");
        let found = rows(&input);
        assert_eq!(
            found[0].fault.as_ref().map(|fault| fault.problem),
            Some("row-too-long")
        );
        assert!(found[0].text.len() <= SHOWN_CHARS);
        assert_eq!((found[1].number, found[1].text.as_str()), (2, "{}"));
    }
}
