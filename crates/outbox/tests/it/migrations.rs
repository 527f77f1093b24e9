use std::{fs, path::PathBuf};

#[test]
fn the_outboxes_of_both_services_differ_in_the_schemas_name_only() {
    let migrations = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    for file in ["0002_outbox.up.sql", "0002_outbox.down.sql"] {
        let read = |schema: &str| fs::read_to_string(migrations.join(schema).join(file)).unwrap();
        assert_eq!(
            read("command").replace("command", "uploader"),
            read("uploader"),
            "{file}"
        );
    }
}
