use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::item::{content, error::ItemError};

/// What a request says.
#[derive(Debug, clap::Args)]
pub struct Body {
    /// One JSON object, as the API takes it; an empty one unless told.
    #[arg(long, value_name = "JSON", value_parser = parse)]
    body: Option<String>,
    /// Take it from a file; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    from: Option<PathBuf>,
}

/// It is sent as it stands, so that its numbers stay what they are.
fn parse(text: &str) -> Result<String, String> {
    match serde_json::from_str::<Map<String, Value>>(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("it is no JSON object: {error}")),
    }
}

impl Body {
    pub async fn text(&self) -> Result<String, ItemError> {
        match (&self.from, &self.body) {
            (Some(path), _) => content::read(path).await,
            (None, Some(body)) => Ok(body.clone()),
            (None, None) => Ok("{}".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_an_object_is_sent_and_that_as_it_stands() {
        assert_eq!(parse("{\"a\": 1.0}").as_deref(), Ok("{\"a\": 1.0}"));
        for wrong in ["", "[]", "7", "{"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
