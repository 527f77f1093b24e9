//! One trace across the processes, as a receiver of OTLP gets it: from a request over its transaction, the relay and Kafka to
//! whoever handles the events.

mod item;
mod query;
mod receiver;
mod sampling;
mod tree;
mod upload;

use std::sync::Mutex;

use depot_end_to_end::Depot;
use depot_schemas::Entity;
use depot_test_stack::eventually;

use receiver::Receiver;
use tree::Tree;

/// A Depot that exports what it traces at once.
async fn traced(more: &[(&str, &str)]) -> (Depot, Receiver) {
    let (url, receiver) = Receiver::start().await;
    let mut settings = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    settings.extend(more);
    (Depot::start_with(&settings).await.unwrap(), receiver)
}

/// A way through a tree, each step as `service KIND name`; the names of topics are those of this Depot.
struct Ways {
    items: String,
    uploads: String,
    files: String,
}

impl Ways {
    fn of(depot: &Depot) -> Self {
        let topics = depot.topics();
        Self {
            items: topics.events(Entity::Items),
            uploads: topics.events(Entity::Uploads),
            files: topics.events(Entity::Files),
        }
    }

    /// `{items}`, `{uploads}` and `{files}` stand for the topics.
    fn way(&self, steps: &[&str]) -> Vec<String> {
        let named = |step: &&str| {
            step.replace("{items}", &self.items)
                .replace("{uploads}", &self.uploads)
                .replace("{files}", &self.files)
        };
        steps.iter().map(named).collect()
    }
}

/// The trace, once all of these ways lead to a span and it has one root. Shows it, and on the way what has come so far.
async fn whole(receiver: &Receiver, trace_id: &str, ways: &[Vec<String>]) -> Tree {
    let shown = Mutex::new(0);
    let tree = eventually("the trace is whole", || async {
        let tree = Tree::of(&receiver.spans(), trace_id);
        let lacking: Vec<_> = ways.iter().filter(|way| tree.at(way).is_none()).collect();
        let count = tree.all().len();
        if lacking.is_empty() && tree.roots.len() == 1 {
            return Some(tree);
        }
        // A test that fails shows what was waited for, once for each change.
        let mut shown = shown.lock().unwrap();
        if *shown != count {
            *shown = count;
            println!("{count} spans of {trace_id}, without {lacking:?}");
        }
        None
    })
    .await;
    println!("\ntrace {trace_id}\n{tree}");
    tree
}

/// The trace that has this root, once it has come.
async fn trace_of(receiver: &Receiver, service: &str, root: &str) -> String {
    eventually(&format!("{root} has come"), || async {
        let spans = receiver.spans();
        let mut roots = spans.iter().filter(|span| span.parent_id.is_none());
        roots
            .find(|span| span.service == service && span.name == root)
            .map(|span| span.trace_id.clone())
    })
    .await
}
