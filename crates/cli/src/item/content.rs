//! What a person gives an item, from options or from a file.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use serde_json::{Map, Value};

use super::error::ItemError;

/// Of a file with a content.
const MAX_BYTES: u64 = 1024 * 1024;

/// The content of an item, or a change of it. What is left out gets its default, or stays.
#[derive(Debug, clap::Args)]
pub struct Content {
    /// Its name.
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    description: Option<String>,
    /// A tag; may be given several times. In a change, these take the place of all that were there.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// An attribute; may be given several times. NAME=TEXT is a text, NAME:=JSON any value: gears:=7. In a change, the others stay,
    /// and NAME:=null takes one away.
    #[arg(long = "attribute", value_name = "NAME=TEXT")]
    attributes: Vec<Attribute>,
    /// draft, active or archived.
    #[arg(long)]
    status: Option<String>,
    /// Take all of it from a file that has one JSON object, as the API takes it; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "description", "tags", "attributes", "status"])]
    from: Option<PathBuf>,
}

/// The options of which a change needs one.
pub const OPTIONS: [&str; 6] = ["name", "description", "tags", "attributes", "status", "from"];

impl Content {
    /// The body of the request. That of a file is sent as it stands, so that its numbers stay what they are.
    pub async fn body(&self) -> Result<String, ItemError> {
        match &self.from {
            Some(path) => read(path).await,
            None => Ok(Value::Object(self.members()).to_string()),
        }
    }

    fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        let texts = [
            ("name", &self.name),
            ("description", &self.description),
            ("status", &self.status),
        ];
        for (name, text) in texts {
            members.extend(text.as_deref().map(|text| (name.to_owned(), text.into())));
        }
        if !self.tags.is_empty() {
            members.insert("tags".to_owned(), self.tags.clone().into());
        }
        if !self.attributes.is_empty() {
            let attributes = self.attributes.iter().cloned();
            let attributes: Map<_, _> = attributes.map(|Attribute(name, value)| (name, value)).collect();
            members.insert("attributes".to_owned(), attributes.into());
        }
        members
    }
}

/// A JSON object from a file; `-` is standard input.
pub async fn read(path: &Path) -> Result<String, ItemError> {
    let (file, path) = (path.display().to_string(), path.to_owned());
    let read = tokio::task::spawn_blocking(move || read_now(&path)).await;
    let text = match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(text) => text,
        Err(source) => return Err(ItemError::File { file, source }),
    };
    match serde_json::from_str::<Map<String, Value>>(&text) {
        Ok(_) => Ok(text),
        Err(source) => Err(ItemError::NoObject { file, source }),
    }
}

fn read_now(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One more than is taken, to tell what is too large.
    let most = MAX_BYTES + 1;
    match path.as_os_str() == "-" {
        true => io::stdin().take(most).read_to_string(&mut text)?,
        false => File::open(path)?.take(most).read_to_string(&mut text)?,
    };
    match text.len() as u64 <= MAX_BYTES {
        true => Ok(text),
        false => Err(io::Error::other(format!(
            "it has more than {MAX_BYTES} bytes, which no item has"
        ))),
    }
}

/// A name and its value.
#[derive(Debug, Clone, PartialEq)]
struct Attribute(String, Value);

impl FromStr for Attribute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err("give NAME=TEXT or NAME:=JSON".to_owned());
        };
        match name.strip_suffix(':') {
            None => Ok(Self(name.to_owned(), value.into())),
            Some("") => Err("give a name before :=".to_owned()),
            Some(name) => match serde_json::from_str(value) {
                Ok(value) => Ok(Self(name.to_owned(), value)),
                Err(error) => Err(format!("what is behind := is no JSON: {error}")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_attribute_is_a_text_or_any_json() {
        let parsed = |text: &str| text.parse::<Attribute>();
        let is = |name: &str, value: Value| Ok(Attribute(name.to_owned(), value));
        assert_eq!(parsed("colour=blue"), is("colour", json!("blue")));
        assert_eq!(parsed("gears=7"), is("gears", json!("7")));
        assert_eq!(parsed("gears:=7"), is("gears", json!(7)));
        assert_eq!(parsed("old:=null"), is("old", Value::Null));
        assert_eq!(parsed("formula=a=b"), is("formula", json!("a=b")));
        for wrong in ["colour", "=blue", ":=7", "gears:=seven"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn only_what_was_given_is_in_the_body() {
        let content = Content {
            name: Some("a".to_owned()),
            description: None,
            tags: vec!["x".to_owned(), "y".to_owned()],
            attributes: vec![Attribute("gears".to_owned(), json!(7))],
            status: None,
            from: None,
        };
        let body: Value = serde_json::from_str(&content.body().await.unwrap()).unwrap();
        assert_eq!(
            body,
            json!({"name": "a", "tags": ["x", "y"], "attributes": {"gears": 7}})
        );
        let named = Content {
            tags: Vec::new(),
            attributes: Vec::new(),
            ..content
        };
        assert_eq!(named.body().await.unwrap(), r#"{"name":"a"}"#);
    }
}
