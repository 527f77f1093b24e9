use serde_json::Value;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}\
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}th,td{border:1px solid #ccc;padding:.3rem .5rem;text-align:left;vertical-align:top}\
th{background:#f3f3f3}code,pre{font:14px/1.4 ui-monospace,monospace}pre{background:#f6f6f6;padding:.75rem;overflow:auto}h3{margin-top:2.5rem}";

/// The document as one page, without a script: topics, who writes and reads them, messages with headers, fields and an example.
pub fn rendered(document: &Value) -> String {
    let mut page = Page(String::new());
    let info = &document["info"];
    page.line("<!doctype html>");
    page.line("<!-- Made from schemas/asyncapi.yaml by a test: DEPOT_WRITE_CONTRACTS=1 cargo test -p depot-schemas -->");
    page.line("<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    page.line(&format!(
        "<title>{}</title><style>{STYLE}</style></head><body>",
        text(&info["title"])
    ));
    page.line(&format!(
        "<h1>{} {}</h1><p>{}</p>",
        text(&info["title"]),
        text(&info["version"]),
        text(&info["description"])
    ));
    page.channels(document);
    page.messages(document);
    page.line("</body></html>");
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn channels(&mut self, document: &Value) {
        self.line("<h2>Topics</h2>");
        for (name, channel) in members(&document["channels"]) {
            let kafka = &channel["bindings"]["kafka"];
            self.line(&format!(
                "<h3 id=\"{0}\"><code>{1}</code></h3><p>{2}</p>",
                escaped(name),
                text(&channel["address"]),
                text(&channel["description"])
            ));
            let settings = members(&kafka["topicConfiguration"])
                .map(|(name, value)| format!("<code>{}={}</code>", escaped(name), escaped(&plain(value))));
            let settings: Vec<_> = settings.collect();
            self.line(&format!(
                "<p>{} partitions; {}</p>",
                escaped(&plain(&kafka["partitions"])),
                settings.join(" ")
            ));
            let messages = members(&channel["messages"])
                .map(|(name, _)| format!("<a href=\"#{0}\"><code>{0}</code></a>", escaped(name)));
            let messages: Vec<_> = messages.collect();
            self.line(&format!("<p>Messages: {}</p>", messages.join(", ")));
            self.operations(document, name);
        }
    }

    fn operations(&mut self, document: &Value, channel: &str) {
        self.line("<table><tr><th>who</th><th>does</th><th>group</th><th>what for</th></tr>");
        let reference = format!("#/channels/{channel}");
        for (_, operation) in members(&document["operations"]) {
            if operation["channel"]["$ref"] == reference.as_str() {
                let group = &operation["bindings"]["kafka"]["groupId"]["enum"][0];
                self.row(&[
                    text(&operation["tags"][0]["name"]),
                    text(&operation["action"]),
                    text(group),
                    text(&operation["summary"]),
                ]);
            }
        }
        self.line("</table>");
    }

    fn messages(&mut self, document: &Value) {
        self.line("<h2>Messages</h2>");
        for (name, message) in members(&document["components"]["messages"]) {
            self.line(&format!(
                "<h3 id=\"{0}\"><code>{0}</code></h3><p>{1}. {2}</p>",
                escaped(name),
                text(&message["title"]),
                text(&message["summary"])
            ));
            let key = &message["bindings"]["kafka"]["key"]["description"];
            if key.is_string() {
                self.line(&format!("<p>Key: {}</p>", text(key)));
            }
            self.fields("header", &message["headers"], &message["headers"]);
            let (root, payload) = loaded(&message["payload"]);
            self.fields("field", &root, &payload);
            for example in message["examples"].as_array().into_iter().flatten() {
                let value = serde_json::to_string_pretty(&example["payload"]).unwrap();
                self.line(&format!(
                    "<p>Example: {}</p><pre>{}</pre>",
                    text(&example["name"]),
                    escaped(&value)
                ));
            }
        }
    }

    fn fields(&mut self, what: &str, root: &Value, schema: &Value) {
        if members(&schema["properties"]).next().is_some() {
            self.line(&format!(
                "<table><tr><th>{what}</th><th>type</th><th>there</th><th>meaning</th></tr>"
            ));
            self.below("", root, schema);
            self.line("</table>");
        }
    }

    fn below(&mut self, path: &str, root: &Value, schema: &Value) {
        let required = schema["required"].as_array();
        for (name, field) in members(&schema["properties"]) {
            let at = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            let target = target(root, field);
            let is_required = required.is_some_and(|required| required.iter().any(|other| other == name));
            let description = [&field["description"], &target["description"]]
                .into_iter()
                .find(|text| text.is_string());
            self.row(&[
                format!("<code>{}</code>", escaped(&at)),
                escaped(&kind(target, field)),
                if is_required {
                    "always".to_owned()
                } else {
                    "may be absent".to_owned()
                },
                description.map(text).unwrap_or_default(),
            ]);
            let items = target["items"].is_object();
            let (inner, at) = if items {
                (self::target(root, &target["items"]), format!("{at}[]"))
            } else {
                (target, at)
            };
            self.below(&at, root, inner);
        }
    }

    fn row(&mut self, cells: &[String]) {
        let cells: Vec<_> = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        self.line(&format!("<tr>{}</tr>", cells.join("")));
    }
}

/// The schema of a payload, which is in a file of its own or in place.
fn loaded(payload: &Value) -> (Value, Value) {
    let Some(file) = payload["$ref"].as_str() else {
        return (payload.clone(), payload.clone());
    };
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    (schema.clone(), schema)
}

/// What a field refers to, with or without null.
fn target<'a>(root: &'a Value, field: &'a Value) -> &'a Value {
    let alternatives = field["anyOf"].as_array().into_iter().flatten();
    let reference = std::iter::once(field)
        .chain(alternatives)
        .find_map(|schema| schema["$ref"].as_str());
    match reference {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => field,
    }
}

fn kind(target: &Value, field: &Value) -> String {
    let words: Vec<_> = target["oneOf"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|word| plain(&word["const"]))
        .collect();
    let mut kind = match (&target["const"], &target["type"]) {
        (Value::String(only), _) => format!("\"{only}\""),
        (_, Value::Array(types)) => types.iter().map(plain).collect::<Vec<_>>().join(" or "),
        (_, Value::String(kind)) => kind.clone(),
        _ if !words.is_empty() => words.join(" or "),
        _ => "anything".to_owned(),
    };
    if let Some(format) = target["format"].as_str() {
        kind = format!("{kind} ({format})");
    }
    if field["anyOf"].is_array() {
        kind = format!("{kind} or null");
    }
    kind
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// A text without quotes; a list with commas; anything else as in JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// A text for the page, nothing where there is none.
fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
