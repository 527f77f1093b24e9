//! The examples of docs/tool.md, run as they stand.

use depot_end_to_end::Depot;

use crate::examples::{page::marked, shell::Shell};

const PAGE: &str = "docs/tool.md";

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_tools_document_do_what_they_say() {
    let blocks = marked(PAGE, "tested");
    let depot = Depot::start().await.unwrap();
    Shell::on(&depot).run(PAGE, &blocks).await;
}
