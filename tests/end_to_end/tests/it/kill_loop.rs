use std::sync::atomic::{AtomicUsize, Ordering};

use depot_end_to_end::{Depot, Service};
use depot_service::auth::Role;
use depot_test_stack::wait_until;

use crate::{
    load::{Acknowledged, Load},
    schema_check::every_event_meets_its_schema,
    verify::{self, lag, open_uploads, unpublished},
};

const KILLS_EACH: usize = 5;

/// Each of the four is killed five times under load, with work proved in flight at each kill.
#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_command_is_lost_doubled_or_reordered_by_kill_9() {
    let mut depot = Depot::start().await.unwrap();
    let load = Load::start(&depot.client("alice", Role::Writer));
    for round in 1..=KILLS_EACH {
        for service in Service::ALL {
            let evidence = kill_with_work_in_flight(&mut depot, service, &load.acknowledged).await;
            println!("kill {round} of {}: {evidence}", service.name());
            depot.process(service).restart().unwrap();
            depot.wait_ready(service).await;
        }
    }
    let acknowledged = load.stop().await;
    verify::quiet(&depot).await;
    every_event_meets_its_schema(&depot).await;
    let checked = verify::nothing_lost_doubled_or_reordered(&depot, &acknowledged).await;
    println!("{} kills; {checked:?}", 4 * KILLS_EACH);
}

/// Waits for a moment in which the service has work in flight, kills it, and says what it was.
async fn kill_with_work_in_flight(depot: &mut Depot, service: Service, load: &Acknowledged) -> String {
    match service {
        Service::CommandApi => {
            wait_until("a row is unpublished", || async {
                unpublished(&depot.database, "command").await > 0
            })
            .await;
            let cut = kill_and_see_a_request_cut(depot, service, &load.commands_cut).await;
            let rows = unpublished(&depot.database, "command").await;
            format!("{cut} command(s) cut, {rows} row(s) unpublished")
        }
        Service::QueryApi => {
            let cut = kill_and_see_a_request_cut(depot, service, &load.reads_cut).await;
            format!("{cut} read(s) cut")
        }
        Service::Projector => {
            let mut behind = 0;
            while behind == 0 {
                behind = lag(depot).await;
            }
            depot.process(service).kill().await.unwrap();
            format!("{behind} message(s) behind")
        }
        Service::Uploader => {
            wait_until("an upload is open", || async {
                open_uploads(&depot.database).await > 0
            })
            .await;
            depot.process(service).kill().await.unwrap();
            format!("{} upload(s) open", open_uploads(&depot.database).await)
        }
    }
}

async fn kill_and_see_a_request_cut(depot: &mut Depot, service: Service, cut: &AtomicUsize) -> usize {
    let before = cut.load(Ordering::SeqCst);
    depot.process(service).kill().await.unwrap();
    wait_until("a request was cut", || async {
        cut.load(Ordering::SeqCst) > before
    })
    .await;
    cut.load(Ordering::SeqCst) - before
}
