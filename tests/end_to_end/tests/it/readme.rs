//! The tour of README.md, run as it stands.

use depot_end_to_end::Depot;

use crate::examples::{
    page::{marked, root},
    shell::Shell,
};

const PAGE: &str = "README.md";

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_readme_do_what_they_say() {
    let blocks = marked(PAGE, "tested");
    let depot = Depot::start().await.unwrap();
    // In the clone, where a reader of it is.
    Shell::on(&depot).run_in(&root(), PAGE, &blocks).await;
}
