//! docs/profiling.md: profiles of a projector that samples its heap.

use crate::long::is_left_out;
use depot_end_to_end::{Depot, Service};

use super::{page::marked, shell::Shell};

const PAGE: &str = "docs/profiling.md";

#[tokio::test(flavor = "multi_thread")]
async fn profiles_are_taken_as_the_page_says() {
    if is_left_out("the examples of docs/profiling.md") {
        return;
    }
    // Of 4 KiB one allocation, instead of 512: a service that rests holds little.
    let depot = Depot::start_with(&[("_RJEM_MALLOC_CONF", "prof:true,lg_prof_sample:12")])
        .await
        .unwrap();
    let mut shell = Shell::on(&depot);
    shell.set("PROJECTOR", depot.admin_url(Service::Projector, ""));
    shell.set("MEANWHILE", "1");
    let said = shell.run(PAGE, &marked(PAGE, "tested")).await;
    assert!(said.contains("Type: cpu"), "{said}");
    assert!(said.contains("Type: inuse_space"), "{said}");
}
