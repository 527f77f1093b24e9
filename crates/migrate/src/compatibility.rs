//! Whether a program works with a schema that was migrated by another version of it.
//!
//! A migration that programs which do not know it can work with *expands*, and most do. One that they cannot work with
//! *contracts*, and says so by its name, which sqlx stores with the migration in the database:
//! `0012_contract_11_drop_old_name` is for programs that know migration 11 of the schema, and for none that are older. So a
//! program can tell what a migration that it has never seen means for it.

use sqlx::migrate::Migration;

/// A migration as it stands in the database's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    pub version: i64,
    /// The file's name without number and ending, in words.
    pub description: String,
    /// False while it runs outside of a transaction, and after it failed there.
    pub success: bool,
    pub checksum: Vec<u8>,
}

/// What keeps a program from working with a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Migrations that the program needs are not applied yet.
    Behind { versions: Vec<i64> },
    /// A migration has begun and not ended.
    Unfinished { version: i64 },
    /// A migration was applied with another text than the one that the program knows.
    Changed { version: i64 },
    /// A migration that the program does not know took away what it needs.
    Contracted {
        version: i64,
        description: String,
        /// The migration that a program has to know at least.
        oldest: i64,
        /// The newest one that this program knows.
        known: i64,
    },
}

/// The first word of a contracting migration's name.
const CONTRACT: &str = "contract";

/// The migration that a program has to know to work with a schema to which the described one was applied; none where any
/// program does. A name that begins as a contracting one and has no number is for nobody but those who know the migration
/// itself.
fn oldest_program(version: i64, description: &str) -> Option<i64> {
    let mut words = description.split(' ');
    if words.next() != Some(CONTRACT) {
        return None;
    }
    let oldest = words.next().and_then(|number| number.parse().ok());
    Some(oldest.unwrap_or(version))
}

pub(crate) fn differences(known: &[&Migration], applied: &[AppliedMigration]) -> Vec<Difference> {
    let newest = known.iter().map(|migration| migration.version).max().unwrap_or(0);
    let find = |version| applied.iter().find(|migration| migration.version == version);
    let pending = known.iter().map(|migration| migration.version);
    let versions: Vec<i64> = pending.filter(|version| find(*version).is_none()).collect();
    let behind = (!versions.is_empty()).then_some(Difference::Behind { versions });
    let others = applied.iter().filter_map(|migration| {
        let version = migration.version;
        match known.iter().find(|known| known.version == version) {
            _ if !migration.success => Some(Difference::Unfinished { version }),
            Some(known) if *known.checksum != *migration.checksum => Some(Difference::Changed { version }),
            Some(_) => None,
            None => oldest_program(version, &migration.description)
                .filter(|oldest| *oldest > newest)
                .map(|oldest| Difference::Contracted {
                    version,
                    description: migration.description.clone(),
                    oldest,
                    known: newest,
                }),
        }
    });
    behind.into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use crate::Schema;

    use super::*;

    fn as_applied(schema: &Schema) -> Vec<AppliedMigration> {
        let applied = |migration: &Migration| AppliedMigration {
            version: migration.version,
            description: migration.description.to_string(),
            success: true,
            checksum: migration.checksum.to_vec(),
        };
        schema.up().map(applied).collect()
    }

    fn unknown(version: i64, description: &str) -> AppliedMigration {
        AppliedMigration {
            version,
            description: description.to_owned(),
            success: true,
            checksum: vec![1],
        }
    }

    #[test]
    fn a_program_works_with_the_schema_that_it_brings() {
        for schema in Schema::ALL {
            assert_eq!(schema.differences(&as_applied(&schema)), []);
        }
    }

    #[test]
    fn a_program_works_with_a_newer_schema_that_was_expanded() {
        let schema = Schema::named("command").unwrap();
        let mut applied = as_applied(&schema);
        applied.push(unknown(1_000, "add a column"));
        // It is no word of its own, and not the first.
        applied.push(unknown(1_001, "contracts table"));
        applied.push(unknown(1_002, "the contract 2000"));
        assert_eq!(schema.differences(&applied), []);
    }

    #[test]
    fn a_contracting_migration_is_for_programs_that_know_the_one_that_it_names() {
        let schema = Schema::named("command").unwrap();
        let newest = schema.up().map(|migration| migration.version).max().unwrap();
        let mut applied = as_applied(&schema);
        applied.push(unknown(
            1_000,
            &format!("contract {newest} drop what it does not use"),
        ));
        assert_eq!(schema.differences(&applied), []);
        let description = format!("contract {} drop what it uses", newest + 1);
        applied.push(unknown(1_001, &description));
        let contracted = Difference::Contracted {
            version: 1_001,
            description,
            oldest: newest + 1,
            known: newest,
        };
        assert_eq!(schema.differences(&applied), [contracted]);
        applied.pop();
        applied.push(unknown(1_002, "contract of no number"));
        assert!(matches!(
            schema.differences(&applied)[..],
            [Difference::Contracted { oldest: 1_002, .. }]
        ));
    }

    #[test]
    fn what_is_missing_unfinished_or_changed_is_told() {
        let schema = Schema::named("command").unwrap();
        let mut applied = as_applied(&schema);
        let last = applied.pop().unwrap();
        let but_last = applied.pop().unwrap();
        let versions = vec![but_last.version, last.version];
        assert_eq!(schema.differences(&applied), [Difference::Behind { versions }]);
        applied[0].checksum = vec![1];
        applied[1].success = false;
        applied.extend([but_last, last]);
        let differences = [
            Difference::Changed {
                version: applied[0].version,
            },
            Difference::Unfinished {
                version: applied[1].version,
            },
        ];
        assert_eq!(schema.differences(&applied), differences);
    }

    /// What takes something away that older programs may use.
    const TAKES_AWAY: [&str; 5] = [
        "DROP TABLE",
        "DROP COLUMN",
        "DROP FUNCTION",
        "RENAME ",
        "SET NOT NULL",
    ];

    /// Whether a statement of a migration does. No statement of a program names an index or a constraint, and a table's name
    /// that is given to another one in the same migration is not taken away.
    fn takes_away(statement: &str, migration: &str) -> bool {
        let is_given_anew = |table: &str| migration.contains(&format!("CREATE TABLE {table} ("));
        let mut words = statement.split_whitespace();
        match (
            words.next(),
            words.next(),
            words.next(),
            words.next(),
            words.next(),
        ) {
            (Some("ALTER"), Some("INDEX"), _, Some("RENAME"), _) => return false,
            (Some("ALTER"), Some("TABLE"), _, Some("RENAME"), Some("CONSTRAINT")) => return false,
            (Some("ALTER"), Some("TABLE"), Some(table), Some("RENAME"), Some("TO"))
                if is_given_anew(table) =>
            {
                return false;
            }
            _ => {}
        }
        let retypes = statement.contains("ALTER COLUMN") && statement.contains(" TYPE ");
        retypes || TAKES_AWAY.iter().any(|words| statement.contains(words))
    }

    #[test]
    fn a_migration_that_takes_away_says_from_which_program_on_it_works() {
        for schema in Schema::ALL {
            for migration in schema.up() {
                // In the body of a function it is run later.
                let outside: String = migration.sql.as_str().split("$$").step_by(2).collect();
                let upper = outside.to_uppercase();
                let mut statements = upper
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("--") && takes_away(line, &upper));
                let place = format!("{} {}: {}", schema.name, migration.version, migration.description);
                let oldest = oldest_program(migration.version, &migration.description);
                if let Some(line) = statements.next() {
                    assert!(oldest.is_some(), "{place} has to be called contract_N_…: {line}");
                }
                if let Some(oldest) = oldest {
                    let named = schema.up().any(|known| known.version == oldest);
                    assert!(
                        named && oldest < migration.version,
                        "{place}: {oldest} is no migration before it"
                    );
                }
            }
        }
    }
}
