use std::time::Duration;

use depot_outbox::{Doorbell, Relay, RelayState};
use depot_test_stack::Gate;
use sqlx::postgres::PgPoolOptions;

use crate::support::World;

/// A busy process has its connection late: what a statement may not take, a connection may.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_takes_longer_than_a_statement_may_is_waited_for() {
    let world = World::new().await;
    let options = world.options();
    let direct = world.pool.connect_options();
    let gate = Gate::to(&format!("{}:{}", direct.get_host(), direct.get_port())).await;
    let (host, port) = gate.address().rsplit_once(':').unwrap();
    let behind_gate = (*direct).clone().host(host).port(port.parse().unwrap());
    let pool = PgPoolOptions::new().connect_lazy_with(behind_gate);
    let longer = options.statement_limit + Duration::from_secs(1);
    let (mut relay, handle) = Relay::new(options, &pool, Doorbell::default());
    gate.hold();
    let (stepped, ()) = tokio::join!(relay.step(), async {
        tokio::time::sleep(longer).await;
        gate.open();
    });
    assert!(stepped.is_ok(), "{stepped:?}");
    assert_eq!(handle.status().state, RelayState::Running);
}
