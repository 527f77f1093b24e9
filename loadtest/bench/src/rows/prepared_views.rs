//! The limit of everything that builds the views: their rows, upserted from files that hold nothing but statements.

use std::{
    fmt::Write as _,
    fs::{self, File},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use depot_end_to_end::Folder;
use depot_test_stack::TestDatabase;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::{process::Command, task::JoinSet};

use crate::measurement::Found;

/// As many rows as the projector takes at once.
const BATCH: usize = 500;
const LIMIT: Duration = Duration::from_secs(600);

const ITEMS: &str = "projection, id, owner, name, description, tags, attributes, status, files, epoch, version, \
                     created_at, updated_at, deleted";
const HISTORY: &str = "projection, item_id, epoch, version, event_id, event_type, causation_id, actor, changed, item, \
                       occurred_at, topic, partition, \"offset\"";
const NEWER: &str = "ON CONFLICT (projection, id) DO UPDATE SET owner = EXCLUDED.owner, name = EXCLUDED.name, \
                     description = EXCLUDED.description, tags = EXCLUDED.tags, attributes = EXCLUDED.attributes, \
                     status = EXCLUDED.status, files = EXCLUDED.files, epoch = EXCLUDED.epoch, \
                     version = EXCLUDED.version, updated_at = EXCLUDED.updated_at, deleted = EXCLUDED.deleted \
                     WHERE (t.epoch, t.version) < (EXCLUDED.epoch, EXCLUDED.version)";

/// The rows of the views of another database, as batches of statements for an empty one.
pub struct PreparedViews {
    pub database: TestDatabase,
    batches: Vec<String>,
    rows: usize,
}

impl PreparedViews {
    pub async fn of(source: &PgPool) -> Result<Self> {
        let items = tuples(source, "read.items", ITEMS, "id").await?;
        let history = tuples(source, "read.item_history", HISTORY, "item_id").await?;
        ensure!(items.len() == history.len(), "an item has one version");
        let batches = items.chunks(BATCH).zip(history.chunks(BATCH));
        Ok(Self {
            database: TestDatabase::create().await?,
            batches: batches.map(|(items, history)| batch(items, history)).collect(),
            rows: items.len(),
        })
    }

    /// Upserts all of it into views that have none of it, in so many sessions of psql at a time.
    pub async fn upsert(&self, sessions: usize) -> Result<Found> {
        let owner = self.database.owner_pool().await;
        empty_views(&owner).await?;
        let folder = Folder::new()?;
        let mut files = Vec::new();
        for session in 0..sessions {
            let file = folder.0.join(format!("{session}.sql"));
            let own = self.batches.iter().skip(session).step_by(sessions);
            fs::write(&file, own.map(String::as_str).collect::<String>())?;
            files.push(file);
        }
        let began = Instant::now();
        let mut running = JoinSet::new();
        for file in &files {
            let mut psql = Command::new("psql")
                .args(["-X", "-q", "-v", "ON_ERROR_STOP=1"])
                .arg(self.database.owner_url())
                .stdin(File::open(file)?)
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .context("psql")?;
            running.spawn(async move { psql.wait().await });
        }
        let all = async {
            while let Some(ended) = running.join_next().await {
                let ended = ended??;
                ensure!(ended.success(), "psql: {ended}");
            }
            Ok(())
        };
        tokio::time::timeout(LIMIT, all)
            .await
            .context("psql has not ended")??;
        let seconds = began.elapsed().as_secs_f64();
        Ok(Found::values([
            ("clients", sessions as f64),
            ("per_second", self.rows as f64 / seconds),
            ("counted_seconds", seconds),
        ]))
    }
}

/// Takes the rows of the load's items out of the views. Where there are no others, that leaves files as new as they were.
pub async fn empty_views(owner: &PgPool) -> Result<()> {
    let others: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM read.items WHERE owner <> 'bench')")
        .fetch_one(owner)
        .await?;
    let statements: &[&str] = match others {
        false => &[
            "TRUNCATE read.items, read.item_history, read.uploads, read.tag_statistics, read.owner_statistics",
        ],
        true => &[
            "TRUNCATE read.item_history, read.uploads, read.tag_statistics, read.owner_statistics",
            "DELETE FROM read.items WHERE owner = 'bench'",
            "VACUUM ANALYZE read.items",
        ],
    };
    for statement in statements {
        sqlx::query(*statement).execute(owner).await?;
    }
    Ok(())
}

/// Each row as `(literal, …)`.
async fn tuples(source: &PgPool, table: &str, columns: &str, order: &str) -> Result<Vec<String>> {
    let places = vec!["%L"; columns.split(',').count()].join(", ");
    let statement = format!("SELECT format('({places})', {columns}) FROM {table} ORDER BY {order}");
    let rows = sqlx::query_scalar(AssertSqlSafe(statement))
        .fetch_all(source)
        .await?;
    Ok(rows)
}

/// One transaction, as the projector's: history, items, then the statistics, whose rows others wait for.
fn batch(items: &[String], history: &[String]) -> String {
    let mut text = String::from("BEGIN;\n");
    let _infallible = write!(
        text,
        "INSERT INTO read.item_history ({HISTORY}) VALUES {} ON CONFLICT DO NOTHING;\n\
         INSERT INTO read.items AS t ({ITEMS}) VALUES {} {NEWER};\n",
        history.join(",\n"),
        items.join(",\n"),
    );
    let each = items.len() / 20;
    let mut tags: Vec<String> = (0..20).map(|tag| format!("(1, 'tag-{tag}', {each})")).collect();
    tags.push(format!("(1, 'bench', {})", items.len()));
    tags.sort();
    let _infallible = write!(
        text,
        "INSERT INTO read.tag_statistics AS t (projection, tag, items) VALUES {} \
         ON CONFLICT (projection, tag) DO UPDATE SET items = t.items + EXCLUDED.items;\n\
         INSERT INTO read.owner_statistics AS t (projection, owner, items, files, file_bytes) VALUES (1, 'bench', {}, 0, 0) \
         ON CONFLICT (projection, owner) DO UPDATE SET items = t.items + EXCLUDED.items;\nCOMMIT;\n",
        tags.join(", "),
        items.len(),
    );
    text
}
