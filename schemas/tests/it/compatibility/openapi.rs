use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Break,
    schema::{Place, Reader, compare},
    shape::{follow, members},
};

/// A parameter that clients send with any body, whether a document names it or not.
const OF_HTTP: &str = "header content-length";
const METHODS: [&str; 7] = ["get", "put", "post", "patch", "delete", "head", "options"];

/// What breaks for clients of the older of two OpenAPI documents.
pub fn breaks(old: &Value, new: &Value) -> Vec<Break> {
    let mut found = Vec::new();
    let after = operations(new);
    for (name, before) in operations(old) {
        match after.get(&name) {
            Some(after) => Pair {
                old,
                new,
                name: &name,
            }
            .operation(before, after, &mut found),
            None => found.push(Break::new(name, "was taken away")),
        }
    }
    found
}

/// Each operation of a document by its method and path, for example `POST /api/v1/items`.
pub fn operations(document: &Value) -> BTreeMap<String, &Value> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| {
        let methods = METHODS
            .into_iter()
            .filter(move |method| item.get(method).is_some());
        methods.map(move |method| (format!("{} {path}", method.to_uppercase()), &item[method]))
    });
    operations.collect()
}

/// One operation in both documents.
struct Pair<'a> {
    old: &'a Value,
    new: &'a Value,
    name: &'a str,
}

impl Pair<'_> {
    fn operation(&self, before: &Value, after: &Value, found: &mut Vec<Break>) {
        if is_open(self.old, before) && !is_open(self.new, after) {
            found.push(Break::new(self.name, "needs a token now"));
        }
        self.parameters(before, after, found);
        self.request(before, after, found);
        self.answers(before, after, found);
    }

    fn schemas(&self, before: &Value, after: &Value, reader: Reader, at: &str) -> Vec<Break> {
        let (old, new) = (self.old, self.new);
        let old = Place {
            document: old,
            schema: before,
        };
        let new = Place {
            document: new,
            schema: after,
        };
        compare(old, new, reader, at)
    }

    fn parameters(&self, before: &Value, after: &Value, found: &mut Vec<Break>) {
        let (before, after) = (parameters(self.old, before), parameters(self.new, after));
        for (name, parameter) in &before {
            let at = format!("{}, {name}", self.name);
            match after.get(name) {
                Some(other) => {
                    found.extend(self.schemas(&parameter["schema"], &other["schema"], Reader::Server, &at));
                }
                None if name == OF_HTTP => {}
                None => found.push(Break::new(at, "was taken away")),
            }
        }
        for (name, parameter) in &after {
            let was_required = before.get(name).is_some_and(|before| before["required"] == true);
            if parameter["required"] == true && !was_required {
                found.push(Break::new(format!("{}, {name}", self.name), "has to be sent now"));
            }
        }
    }

    fn request(&self, before: &Value, after: &Value, found: &mut Vec<Break>) {
        let at = format!("{}, request", self.name);
        let before = follow(self.old, &before["requestBody"]);
        let after = follow(self.new, &after["requestBody"]);
        if after["required"] == true && before["required"] != true {
            found.push(Break::new(&at, "has to be sent now"));
        }
        let taken = members(&after["content"]);
        for (media_type, content) in members(&before["content"]) {
            match taken.get(&media_type) {
                Some(other) => {
                    found.extend(self.schemas(&content["schema"], &other["schema"], Reader::Server, &at));
                }
                None => found.push(Break::new(&at, format!("is no longer taken as {media_type}"))),
            }
        }
    }

    fn answers(&self, before: &Value, after: &Value, found: &mut Vec<Break>) {
        let answers = members(&after["responses"]);
        for (status, answer) in members(&before["responses"]) {
            let at = format!("{}, {status}", self.name);
            let Some(other) = answers.get(&status) else {
                found.push(Break::new(at, "is no longer answered"));
                continue;
            };
            let (answer, other) = (follow(self.old, &answer), follow(self.new, other));
            self.headers(answer, other, &at, found);
            self.bodies(answer, other, &at, found);
        }
    }

    fn headers(&self, answer: &Value, other: &Value, at: &str, found: &mut Vec<Break>) {
        let headers = members(&other["headers"]);
        for (name, header) in members(&answer["headers"]) {
            let at = format!("{at}, {name}");
            match headers.get(&name) {
                Some(other) => {
                    let header = follow(self.old, &header);
                    let other = follow(self.new, other);
                    found.extend(self.schemas(&header["schema"], &other["schema"], Reader::Client, &at));
                }
                None => found.push(Break::new(at, "is no longer answered")),
            }
        }
    }

    fn bodies(&self, answer: &Value, other: &Value, at: &str, found: &mut Vec<Break>) {
        let contents = members(&other["content"]);
        for (media_type, content) in members(&answer["content"]) {
            let Some(other) = contents.get(&media_type) else {
                found.push(Break::new(at, format!("is no longer answered as {media_type}")));
                continue;
            };
            found.extend(self.schemas(&content["schema"], &other["schema"], Reader::Client, at));
            if media_type == "application/problem+json" {
                // Its examples are named after the types of problems.
                let problems = members(&other["examples"]);
                let lost = members(&content["examples"]).into_keys();
                for problem in lost.filter(|problem| !problems.contains_key(problem)) {
                    found.push(Break::new(at, format!("the problem {problem} is no longer told")));
                }
            }
        }
    }
}

/// Parameters by place and name, for example `query limit`.
fn parameters<'a>(document: &'a Value, operation: &'a Value) -> BTreeMap<String, &'a Value> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let named = parameters.map(|parameter| {
        let parameter = follow(document, parameter);
        let text = |member: &str| parameter[member].as_str().unwrap_or_default();
        // Names of headers are the same in any case.
        let name = match text("in") {
            "header" => text("name").to_ascii_lowercase(),
            _ => text("name").to_owned(),
        };
        (format!("{} {name}", text("in")), parameter)
    });
    named.collect()
}

/// Whether an operation may be asked for without a token.
fn is_open(document: &Value, operation: &Value) -> bool {
    let own = operation.get("security").or_else(|| document.get("security"));
    let ways = own.and_then(Value::as_array);
    ways.is_none_or(|ways| ways.is_empty() || ways.iter().any(|way| *way == serde_json::json!({})))
}
