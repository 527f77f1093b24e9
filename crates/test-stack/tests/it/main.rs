//! The ground that everything stands on: the database roles as `depot migrate` leaves them.

mod roles;
