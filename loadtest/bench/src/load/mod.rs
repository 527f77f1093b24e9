//! Load over HTTP/1.1 on connections that stay open.

mod closed;
mod command;
mod connection;
mod paced;
mod read;

pub use closed::closed;
pub use command::CreateItems;
pub use connection::Connection;
pub use paced::paced;
pub use read::ReadItems;
