//! The generation in every cache key: `read.cache_generation`.
//!
//! Why raising it is enough: a transaction that changes a row reads the generation after it has taken the partition's
//! offset, so the generations of one row's writers never fall while its versions rise. So once a row was stored in
//! generation g or earlier, every entry of an older version that lives for long carries g at most. Raising past g
//! leaves all of them behind, also those that Redis has not executed yet. Readers take the generation from Postgres,
//! at most a second old.

use depot_service::database::Pool;

/// Notes which Redis server there is now; raises the generation if it is another one than before, since a restarted
/// server may have gone back to an older snapshot, and a promoted replica may lack the last writes.
///
/// Returns the new generation if it was raised. Of several projectors that notice, one raises.
pub(crate) async fn note_server(pool: &Pool, run_id: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE read.cache_generation SET generation = generation + 1, redis_run_id = $1
         WHERE redis_run_id IS DISTINCT FROM $1
         RETURNING generation",
        run_id
    )
    .fetch_optional(pool)
    .await
}
