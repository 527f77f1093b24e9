use serde::Serialize;

use super::{
    Part,
    answer::Answer,
    finding::{Finding, Severity, counted},
};

const ALL_RIGHT: u8 = 0;
const FAULTS: u8 = 1;
const NOT_ALL_SEEN: u8 = 3;
const WARNINGS: u8 = 4;

/// Everything that was found, part by part.
#[derive(Debug, Serialize)]
pub struct Report {
    faults: usize,
    warnings: usize,
    /// Parts that could not be looked at, or not at all of it.
    unseen: usize,
    parts: Vec<OfPart>,
}

#[derive(Debug, Serialize)]
struct OfPart {
    part: Part,
    #[serde(flatten)]
    answer: Answer,
}

impl Report {
    pub fn new(answers: Vec<(Part, Answer)>) -> Self {
        let count = |severity| -> usize { answers.iter().map(|(_, answer)| answer.count(severity)).sum() };
        Self {
            faults: count(Severity::Fault),
            warnings: count(Severity::Warning),
            unseen: answers
                .iter()
                .filter(|(_, answer)| !answer.unseen.is_empty())
                .count(),
            parts: answers
                .into_iter()
                .map(|(part, answer)| OfPart { part, answer })
                .collect(),
        }
    }

    /// What could not be looked at weighs more than what was found: there may be more.
    pub fn exit_code(&self) -> u8 {
        match (self.unseen, self.faults, self.warnings) {
            (0, 0, 0) => ALL_RIGHT,
            (0, 0, _) => WARNINGS,
            (0, ..) => FAULTS,
            _ => NOT_ALL_SEEN,
        }
    }

    /// A line a part, what was found under it, and a last one with the figures.
    pub fn text(&self) -> String {
        let mut text: String = self.parts.iter().map(OfPart::text).collect();
        text.push_str(&match (self.faults, self.warnings) {
            (0, 0) => "nothing is wrong".to_owned(),
            (faults, warnings) => format!("{}, {}", count(faults, "fault"), count(warnings, "warning")),
        });
        if self.unseen > 0 {
            let parts = count(self.unseen, "part");
            text.push_str(&format!(" in what was looked at; {parts} not, or not wholly"));
        }
        text.push('\n');
        text
    }
}

impl OfPart {
    fn text(&self) -> String {
        let Answer {
            findings,
            seen,
            unseen,
        } = &self.answer;
        let state = match (findings.is_empty(), unseen.is_empty()) {
            (true, true) => "ok".to_owned(),
            (true, false) => "?".to_owned(),
            (false, _) => self.counted(),
        };
        let mut text = format!("{:13} {state}", self.part.name());
        if !seen.is_empty() {
            text.push_str(&format!("  ({})", seen.join("; ")));
        }
        text.push('\n');
        for Finding {
            kind,
            severity,
            what,
            mend,
        } in findings
        {
            text.push_str(&format!("  {severity}: {what} [{}]\n", kind.as_str()));
            text.push_str(&format!("    mend: {mend}\n"));
        }
        // A finding that says it has said why.
        let said = |why: &&String| !findings.iter().any(|finding| finding.what == **why);
        for why in unseen.iter().filter(said) {
            text.push_str(&format!("  not looked at: {why}\n"));
        }
        text
    }

    fn counted(&self) -> String {
        let counts = [(Severity::Fault, "fault"), (Severity::Warning, "warning")];
        let counts = counts.map(|(severity, word)| (self.answer.count(severity), word));
        let counts = counts.into_iter().filter(|(number, _)| *number > 0);
        counts
            .map(|(number, word)| count(number, word))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn count(number: usize, word: &str) -> String {
    counted(i64::try_from(number).unwrap_or(i64::MAX), word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Kind;

    fn answers() -> Vec<(Part, Answer)> {
        let mut database = Answer {
            seen: vec!["Postgres 15.1".to_owned()],
            ..Answer::default()
        };
        database.fault(Kind::RoleMissing, "the role is not there", "depot migrate");
        database.warning(Kind::TransactionOld, "one is old", "end it");
        vec![
            (Part::Services, Answer::default()),
            (Part::Database, database),
            (Part::Sagas, Answer::unseen("no answer")),
        ]
    }

    #[test]
    fn each_part_has_its_line_each_finding_its_mend_and_the_end_has_the_figures() {
        let expected = "services      ok\n\
            database      1 fault, 1 warning  (Postgres 15.1)\n  \
              fault: the role is not there [role_missing]\n    \
                mend: depot migrate\n  \
              warning: one is old [transaction_old]\n    \
                mend: end it\n\
            sagas         ?\n  \
              not looked at: no answer\n\
            1 fault, 1 warning in what was looked at; 1 part not, or not wholly\n";
        assert_eq!(Report::new(answers()).text(), expected);
        assert_eq!(Report::new(Vec::new()).text(), "nothing is wrong\n");
    }

    #[test]
    fn what_was_not_seen_weighs_more_than_faults_and_those_more_than_warnings() {
        let code = |answers| Report::new(answers).exit_code();
        let mut all = answers();
        assert_eq!(code(answers()), NOT_ALL_SEEN);
        all.pop();
        assert_eq!(code(all), FAULTS);
        let mut warned = Answer::default();
        warned.warning(Kind::TransactionOld, "one is old", "end it");
        assert_eq!(code(vec![(Part::Database, warned)]), WARNINGS);
        assert_eq!(code(vec![(Part::Database, Answer::default())]), ALL_RIGHT);
    }

    #[test]
    fn json_has_the_parts_with_their_findings() {
        let json = serde_json::to_value(Report::new(answers())).unwrap();
        assert_eq!(json["faults"], 1);
        assert_eq!(json["parts"][1]["part"], "database");
        assert_eq!(json["parts"][1]["findings"][0]["kind"], "role_missing");
        assert_eq!(json["parts"][1]["findings"][1]["severity"], "warning");
        assert_eq!(json["parts"][2]["unseen"][0], "no answer");
    }
}
