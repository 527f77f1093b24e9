use std::io::{self, Read};

use csv::{ByteRecord, Reader, ReaderBuilder};
use serde_json::{Map, Value};

use super::rows::{Fault, MAX_ROW_BYTES, ReadFault, Row};

const ATTRIBUTE: &str = "attributes.";

/// The rows of a CSV input as the bodies of requests.
pub struct CsvRows<R> {
    reader: Reader<Metered<R>>,
    columns: Vec<Column>,
    /// Of the row that was read last.
    number: u64,
}

/// What a column's fields become.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    /// A member that is a text.
    Text(&'static str),
    /// Separated by semicolons.
    Tags,
    /// The attribute of that name, a text.
    Attribute(String),
}

impl Column {
    fn parse(name: &str) -> Result<Self, String> {
        match name {
            "name" => Ok(Self::Text("name")),
            "description" => Ok(Self::Text("description")),
            "status" => Ok(Self::Text("status")),
            "tags" => Ok(Self::Tags),
            other => match other.strip_prefix(ATTRIBUTE) {
                Some(attribute) if !attribute.is_empty() => Ok(Self::Attribute(attribute.to_owned())),
                _ => Err(format!(
                    "`{other}` is none of name, description, status, tags, attributes.NAME"
                )),
            },
        }
    }
}

impl<R: Read> CsvRows<R> {
    /// Reads the names.
    pub fn new(input: R) -> Result<Self, ReadFault> {
        let metered = Metered {
            input,
            left: MAX_ROW_BYTES,
        };
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(metered);
        let header = reader.byte_headers().map_err(fault)?.clone();
        let columns = columns(&header).map_err(ReadFault::Header)?;
        Ok(Self {
            reader,
            columns,
            number: 1,
        })
    }

    fn row(&self, record: &ByteRecord) -> (String, Option<Fault>) {
        let shown = || {
            let fields = record
                .iter()
                .map(|field| String::from_utf8_lossy(field).into_owned());
            Value::from(fields.collect::<Vec<_>>()).to_string()
        };
        if record.len() != self.columns.len() {
            let (found, wanted) = (record.len(), self.columns.len());
            let detail = format!("has {found} fields, and there are {wanted} names");
            return (shown(), Some(Fault::new("wrong-number-of-fields", detail)));
        }
        match body(&self.columns, record) {
            Some(body) => (Value::Object(body).to_string(), None),
            None => (
                shown(),
                Some(Fault::new("not-utf8", "has a field that is no UTF-8")),
            ),
        }
    }
}

impl<R: Read> Iterator for CsvRows<R> {
    type Item = Result<Row, ReadFault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.reader.get_mut().left = MAX_ROW_BYTES;
        let mut record = ByteRecord::new();
        match self.reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => return Some(Err(fault(error))),
        }
        self.number += 1;
        let (text, fault) = self.row(&record);
        Some(Ok(Row {
            number: self.number,
            end: self.reader.position().byte(),
            text,
            fault,
        }))
    }
}

/// What each column becomes, or all that is wrong with their names.
fn columns(header: &ByteRecord) -> Result<Vec<Column>, String> {
    let names: Vec<String> = header
        .iter()
        .map(|name| {
            String::from_utf8_lossy(name)
                .trim_start_matches('\u{feff}')
                .trim()
                .to_owned()
        })
        .collect();
    let (mut columns, mut faults) = (Vec::new(), Vec::new());
    for (index, name) in names.iter().enumerate() {
        match Column::parse(name) {
            Ok(_) if names[..index].contains(name) => faults.push(format!("`{name}` is there twice")),
            Ok(column) => columns.push(column),
            Err(fault) => faults.push(fault),
        }
    }
    if !names.iter().any(|name| name == "name") {
        faults.push("there is no `name`".to_owned());
    }
    match faults.is_empty() {
        true => Ok(columns),
        false => Err(faults.join("; ")),
    }
}

/// An empty field is left out, so that the member gets its default; that of the name is sent, to be refused by name. None if a field is
/// no UTF-8.
fn body(columns: &[Column], record: &ByteRecord) -> Option<Map<String, Value>> {
    let (mut body, mut attributes) = (Map::new(), Map::new());
    for (column, field) in columns.iter().zip(record) {
        let field = std::str::from_utf8(field).ok()?;
        match column {
            Column::Text(name) if !field.is_empty() || *name == "name" => {
                body.insert((*name).to_owned(), field.into());
            }
            Column::Tags if !field.trim().is_empty() => {
                let tags = field.split(';').map(str::trim).filter(|tag| !tag.is_empty());
                body.insert("tags".to_owned(), tags.collect::<Vec<_>>().into());
            }
            Column::Attribute(name) if !field.is_empty() => {
                attributes.insert(name.clone(), field.into());
            }
            _ => {}
        }
    }
    if !attributes.is_empty() {
        body.insert("attributes".to_owned(), attributes.into());
    }
    Some(body)
}

fn fault(error: csv::Error) -> ReadFault {
    ReadFault::Input(match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    })
}

/// Gives out no more for one row than it may have: a quote that is not closed would make a row of all the rest.
struct Metered<R> {
    input: R,
    left: usize,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(format!(
                "a row has more than {MAX_ROW_BYTES} bytes: is a quote not closed?"
            )));
        }
        let most = buffer.len().min(self.left);
        let read = self.input.read(&mut buffer[..most])?;
        self.left -= read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(input: &[u8]) -> Vec<Row> {
        CsvRows::new(input).unwrap().map(|row| row.unwrap()).collect()
    }

    fn refused(input: &[u8]) -> String {
        match CsvRows::new(input) {
            Err(ReadFault::Header(what)) => what,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("it is taken"),
        }
    }

    fn body(row: &Row) -> Value {
        serde_json::from_str(&row.text).unwrap()
    }

    #[test]
    fn names_say_what_fields_become_and_empty_ones_are_left_out() {
        let input = "\u{feff}name,tags,description,attributes.colour,attributes.size.width\r\n\
            A bicycle,blue; sold,\"two\nlines, quoted\",blue,5\r\n\
            \r\n\
            ,,,,\r\n";
        let found = rows(input.as_bytes());
        assert_eq!(
            body(&found[0]),
            json!({
                "name": "A bicycle", "tags": ["blue", "sold"], "description": "two\nlines, quoted",
                "attributes": {"colour": "blue", "size.width": "5"},
            })
        );
        assert_eq!(body(&found[1]), json!({"name": ""}));
        assert_eq!([found[0].number, found[1].number], [2, 3]);
        // The second half of a line's end may be read with the next row.
        assert!(found[1].end + 1 >= input.len() as u64, "{}", found[1].end);
    }

    #[test]
    fn numbers_do_not_depend_on_how_lines_end() {
        let numbers = |input: &[u8]| -> Vec<u64> { rows(input).iter().map(|row| row.number).collect() };
        assert_eq!(numbers(b"name\na\nb\n"), [2, 3]);
        assert_eq!(numbers(b"name\ra\rb"), [2, 3]);
    }

    #[test]
    fn all_that_is_wrong_with_the_names_is_said() {
        let said = refused(b"names,tags,tags,attributes.\n");
        for expected in [
            "`names` is none of",
            "`tags` is there twice",
            "`attributes.` is none",
            "there is no `name`",
        ] {
            assert!(said.contains(expected), "{said}");
        }
        assert_eq!(refused(b""), "there is no `name`");
    }

    #[test]
    fn a_row_with_other_fields_or_other_bytes_is_told_and_stops_nobody() {
        let found = rows(b"name,tags\na\nb,c,d\n\xff,\ne,f\n");
        let problems: Vec<_> = found
            .iter()
            .map(|row| row.fault.as_ref().map(|fault| fault.problem))
            .collect();
        let fields = Some("wrong-number-of-fields");
        assert_eq!(problems, [fields, fields, Some("not-utf8"), None]);
        assert_eq!(found[0].text, r#"["a"]"#);
    }

    #[test]
    fn a_quote_that_is_not_closed_does_not_fill_the_memory() {
        let mut input = b"name\na\n\"".to_vec();
        input.resize(4 * MAX_ROW_BYTES, b'x');
        let mut rows = CsvRows::new(input.as_slice()).unwrap();
        assert!(rows.next().is_some_and(|row| row.is_ok()));
        assert!(
            matches!(rows.next(), Some(Err(ReadFault::Input(error))) if error.to_string().contains("quote"))
        );
    }
}
