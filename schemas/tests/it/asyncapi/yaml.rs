use serde_json::Value;

/// A value as YAML 1.2 in block style. Texts that could be taken for something else are in double quotes, as in JSON.
pub fn written(value: &Value) -> String {
    let mut text = String::from(
        "# Made from schemas/src by a test: DEPOT_WRITE_CONTRACTS=1 cargo test -p depot-schemas\n",
    );
    block(value, 0, &mut text);
    text
}

fn block(value: &Value, indent: usize, text: &mut String) {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                text.push_str(&format!("{margin}{}:", scalar(name)));
                after(value, indent, text);
            }
        }
        Value::Array(values) => {
            for value in values {
                if is_block(value) {
                    let mut below = String::new();
                    block(value, indent + 2, &mut below);
                    text.push_str(&format!("{margin}- {}", below.trim_start()));
                } else {
                    text.push_str(&format!("{margin}- {}\n", flow(value)));
                }
            }
        }
        _ => text.push_str(&format!("{margin}{}\n", flow(value))),
    }
}

/// What stands behind a name and its colon.
fn after(value: &Value, indent: usize, text: &mut String) {
    if is_block(value) {
        text.push('\n');
        block(value, indent + 2, text);
    } else {
        text.push_str(&format!(" {}\n", flow(value)));
    }
}

fn is_block(value: &Value) -> bool {
    value.as_object().is_some_and(|members| !members.is_empty())
        || value.as_array().is_some_and(|values| !values.is_empty())
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        // Numbers, truth, null, and what is empty, as in JSON.
        other => other.to_string(),
    }
}

fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    if begins && text.chars().all(plain) && !WORDS.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    Value::from(text).to_string()
}

#[test]
fn what_could_be_taken_for_something_else_is_quoted() {
    let value = serde_json::json!({
        "a": ["no", "1.0", "a b", "depot.items.v1", ""],
        "b": {"c": [{"d": 1, "e": {}}, []], "$ref": "#/x"},
    });
    let expected = "a:\n  - \"no\"\n  - \"1.0\"\n  - \"a b\"\n  - depot.items.v1\n  - \"\"\nb:\n  \"$ref\": \"#/x\"\n  c:\n    - d: 1\n      e: {}\n    - []\n";
    assert_eq!(written(&value).split_once('\n').unwrap().1, expected);
}
