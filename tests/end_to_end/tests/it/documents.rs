//! What the documents name is there.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The documents at the top, migrations/README.md and everything under docs, by their paths from the top.
fn documents() -> Vec<(PathBuf, String)> {
    let mut files: Vec<_> = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "migrations/README.md",
    ]
    .map(PathBuf::from)
    .into();
    for folder in ["docs", "docs/decisions"] {
        let entries = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let markdown = entries.filter(|name| Path::new(name).extension().is_some_and(|end| end == "md"));
        files.extend(markdown.map(|name| Path::new(folder).join(name)));
    }
    files.sort();
    let read = |file: PathBuf| (fs::read_to_string(root().join(&file)).unwrap(), file);
    files
        .into_iter()
        .map(read)
        .map(|(text, file)| (file, text))
        .collect()
}

/// What stands between backticks in a line of text; code blocks are left out by the caller.
pub fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The lines that are not in a code block.
pub fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_block = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        !in_block && !is_fence
    })
}

/// True for what can only be meant as a path of this repository: its first part is there, or its end is that of a
/// file of ours.
fn looks_like_a_path(text: &str) -> bool {
    const ENDS: [&str; 13] = [
        "rs",
        "sql",
        "md",
        "toml",
        "proto",
        "sh",
        "yml",
        "json",
        "lua",
        "py",
        "properties",
        "xml",
        "lock",
    ];
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let Some((first, _)) = text.split_once('/') else {
        return false;
    };
    let end = Path::new(text).extension().and_then(|end| end.to_str());
    let made_elsewhere = first.is_empty() || first == ".stack" || first == "target";
    text.chars().all(legal)
        && !made_elsewhere
        && (root().join(first).is_dir() || end.is_some_and(|end| ENDS.contains(&end)))
}

#[test]
fn every_path_that_a_document_names_exists() {
    let mut checked = 0;
    let mut missing = Vec::new();
    for (file, text) in documents() {
        for path in prose(&text)
            .flat_map(quoted)
            .filter(|text| looks_like_a_path(text))
        {
            checked += 1;
            if !root().join(path).exists() {
                missing.push(format!("{}: {path}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "named and not there:\n{}", missing.join("\n"));
    assert!(
        checked >= 100,
        "only {checked} paths were found: is the check still looking?"
    );
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut missing = Vec::new();
    for (file, text) in documents() {
        let folder = root().join(file.parent().unwrap());
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let paths = targets
            .filter(|target| !target.contains("://"))
            .map(|target| target.split('#').next().unwrap());
        let broken = paths.filter(|path| !path.is_empty() && !folder.join(path).exists());
        missing.extend(broken.map(|path| format!("{}: {path}", file.display())));
    }
    assert!(
        missing.is_empty(),
        "links that lead nowhere:\n{}",
        missing.join("\n")
    );
}

#[test]
fn every_record_of_a_decision_is_in_the_index() {
    let index = fs::read_to_string(root().join("docs/decisions.md")).unwrap();
    for (file, text) in documents() {
        if file.parent() == Some(Path::new("docs/decisions")) {
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(
                index.contains(&format!("(decisions/{name})")),
                "{name} is not in docs/decisions.md"
            );
            assert!(
                text.lines().any(|line| line.starts_with("Date: ")),
                "{name} has no date"
            );
        }
    }
}

#[test]
fn every_test_that_a_document_names_exists() {
    // With how many it names at least: whether the check still looks.
    for (document, at_least) in [
        ("docs/reliability.md", 40),
        ("docs/interview-guide.md", 30),
        ("docs/versioning.md", 20),
        ("docs/outbox.md", 15),
        ("docs/contracts.md", 1),
    ] {
        check_named_tests(document, at_least);
    }
}

fn check_named_tests(document: &str, at_least: usize) {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let (mut source, mut checked) = (String::new(), 0);
    for name in prose(&text).flat_map(quoted) {
        if name.ends_with(".rs") {
            source = fs::read_to_string(root().join(name)).unwrap_or_default();
        } else if name.matches('_').count() > 2
            // A metric.
            && !name.starts_with("depot_")
            && name
                .chars()
                .all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit())
        {
            checked += 1;
            assert!(
                source.contains(&format!("fn {name}(")),
                "{document}: {name} is not in the file named before it"
            );
        }
    }
    assert!(checked >= at_least, "{document} names only {checked} tests");
}

/// The names that the configuration reads, by their place in the code: `reader.kind("NAME"`.
fn settings_in(source: &str) -> impl Iterator<Item = &str> {
    source.split("(\"").skip(1).filter_map(|rest| {
        let name = rest.split('"').next()?;
        let is_name = name.len() > 3
            && name
                .chars()
                .all(|c| c == '_' || c.is_ascii_uppercase() || c.is_ascii_digit());
        is_name.then_some(name)
    })
}

#[test]
fn every_setting_is_in_the_operations_document() {
    let document = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let groups = root().join("crates/service/src/config");
    let groups = fs::read_dir(groups).unwrap().map(|entry| entry.unwrap().path());
    let services = ["command-api", "query-api", "projector", "uploader"];
    let services = services.map(|service| root().join(service).join("src/config.rs"));
    let mut checked = 0;
    for file in groups
        .filter(|file| file.file_name().is_some_and(|name| name != "environment.rs"))
        .chain(services)
    {
        let source = fs::read_to_string(&file).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap();
        for name in settings_in(code).filter(|name| !services_prefix(name)) {
            checked += 1;
            assert!(
                document.contains(&format!("`{name}`")),
                "{name}, read in {}, is not documented",
                file.display()
            );
        }
    }
    assert!(
        checked >= 40,
        "only {checked} settings were found: is the check still looking?"
    );
}

#[test]
fn every_kind_of_finding_is_in_the_operations_document() {
    let document = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let missing: Vec<_> = depot_schemas::sweep::FindingKind::ALL
        .iter()
        .filter(|kind| !document.contains(&format!("`{kind}`")))
        .collect();
    assert!(missing.is_empty(), "not documented: {missing:?}");
}

fn services_prefix(name: &str) -> bool {
    ["COMMAND_API", "QUERY_API", "PROJECTOR", "UPLOADER", "DEPOT"].contains(&name)
}
