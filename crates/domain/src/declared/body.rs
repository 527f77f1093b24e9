use serde::de::DeserializeOwned;
use serde_json::Value;

/// The body of a request of a type that is not named here.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    /// Reads a text as that type, strictly: the first fault.
    pub read: fn(&str) -> Result<Value, serde_json::Error>,
    /// Whether a value has the shape of that type, and where not.
    pub shape: fn(&Value) -> Result<(), serde_path_to_error::Error<serde_json::Error>>,
}

impl Body {
    pub const fn of<T: DeserializeOwned>() -> Self {
        Self {
            read: read::<T>,
            shape: shape::<T>,
        }
    }
}

/// As the type first: a text with a member twice is one value all the same.
fn read<T: DeserializeOwned>(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str::<T>(text)?;
    serde_json::from_str(text)
}

fn shape<T: DeserializeOwned>(value: &Value) -> Result<(), serde_path_to_error::Error<serde_json::Error>> {
    serde_path_to_error::deserialize::<_, T>(value).map(drop)
}
