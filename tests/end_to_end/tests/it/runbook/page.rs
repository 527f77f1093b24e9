//! docs/runbook.md as somebody reads it who was called: under the heading of an alarm, the commands that show it and those
//! that mend it, taken from the page and given to a shell.

use std::{collections::BTreeMap, fs, path::Path, process::Stdio, time::Duration};

use depot_end_to_end::built_program;
use tokio::process::Command;

/// Of all commands of a block together.
const LIMIT: Duration = Duration::from_secs(240);

/// Kafka's programs, by the names that they have in an installation of Kafka.
const KAFKAS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/runbook/kafka");

/// The shell blocks under a heading that are rehearsed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Behind `<!-- rehearsed: see -->`: what shows the fault. Their exit codes may say so too.
    pub see: Vec<String>,
    /// Behind `<!-- rehearsed: mend -->`: what mends it, and has to succeed.
    pub mend: Vec<String>,
}

/// The whole of it.
#[derive(Debug, Default)]
pub struct Page {
    /// Behind `<!-- rehearsed: first -->`: what every shell is given before.
    first: Vec<String>,
    pub sections: BTreeMap<String, Section>,
}

impl Page {
    pub fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbook.md");
        Self::parse(&fs::read_to_string(path).unwrap())
    }

    fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut heading = String::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(title) = line.strip_prefix("## ") {
                heading = title.to_owned();
                page.sections.insert(heading.clone(), Section::default());
                continue;
            }
            let mark = line.strip_prefix("<!-- rehearsed: ");
            let Some(kind) = mark.and_then(|mark| mark.strip_suffix(" -->")) else {
                continue;
            };
            assert_eq!(
                lines.next(),
                Some("```sh"),
                "{heading}: a shell block follows the mark"
            );
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            let section = page.sections.get_mut(&heading);
            let blocks = match (kind, section) {
                ("first", None) => &mut page.first,
                ("see", Some(section)) => &mut section.see,
                ("mend", Some(section)) => &mut section.mend,
                _ => panic!("{heading}: {kind} is no mark here"),
            };
            blocks.push(block.join("\n"));
        }
        page
    }

    /// What these blocks print, whatever their exit codes say.
    pub async fn look(&self, blocks: &[String], environment: &[(String, String)]) -> String {
        self.run("-uo", blocks, environment).await.1
    }

    /// Runs these blocks, of which every command has to succeed.
    pub async fn mend(&self, blocks: &[String], environment: &[(String, String)]) -> String {
        let (succeeded, said) = self.run("-euo", blocks, environment).await;
        assert!(succeeded, "{blocks:#?}\n{said}");
        said
    }

    async fn run(&self, flags: &str, blocks: &[String], environment: &[(String, String)]) -> (bool, String) {
        let script = [&self.first, blocks].concat().join("\n");
        let programs = built_program("depot").unwrap();
        let path = format!(
            "{}:{KAFKAS}:{}",
            programs.parent().unwrap().display(),
            std::env::var("PATH").unwrap()
        );
        let run = Command::new("bash")
            .args([flags, "pipefail", "-c", &script])
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env("PATH", path)
            // Away from any .env, which development would read.
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(LIMIT, run)
            .await
            .unwrap_or_else(|_| panic!("not within {LIMIT:?}:\n{script}"))
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }
}

#[test]
fn the_blocks_of_a_page_are_taken_by_their_marks() {
    let text = "<!-- rehearsed: first -->\n```sh\nf\n```\n```sh\nno\n```\n## A\n<!-- rehearsed: see -->\n```sh\na\nb\n```\n\
                text\n<!-- rehearsed: mend -->\n```sh\nc\n```\n## B\n```sh\nno\n```\n";
    let page = Page::parse(text);
    assert_eq!(page.first, ["f"]);
    let a = Section {
        see: vec!["a\nb".to_owned()],
        mend: vec!["c".to_owned()],
    };
    assert_eq!(
        page.sections,
        BTreeMap::from([("A".to_owned(), a), ("B".to_owned(), Section::default())])
    );
}
