//! A Redis server of a test's own, to be stopped, killed and started again.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use depot_service::config::RedisConfig;
use depot_test_stack::{unique_name, wait_until};

pub struct OwnRedis {
    port: u16,
    folder: PathBuf,
    server: Option<Child>,
}

impl OwnRedis {
    pub async fn start() -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let folder = std::env::temp_dir().join(format!("depot-redis-{}", unique_name()));
        std::fs::create_dir(&folder).unwrap();
        let mut redis = Self {
            port,
            folder,
            server: None,
        };
        redis.start_again().await;
        redis
    }

    /// Starts the server on the same port, with the last snapshot if there is one.
    pub async fn start_again(&mut self) {
        let server = Command::new("redis-server")
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .arg("--dir")
            .arg(&self.folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed with the test services");
        self.server = Some(server);
        let client = self.client();
        wait_until("the test's own Redis answers", || async { ping(&client).await }).await;
    }

    pub fn config(&self) -> RedisConfig {
        RedisConfig::new(&format!("127.0.0.1:{}", self.port), "own:")
    }

    /// Writes a snapshot, with which the server comes back after a kill.
    pub async fn snapshot(&self) {
        let mut connection = self.client().get_multiplexed_async_connection().await.unwrap();
        redis::cmd("SAVE").exec_async(&mut connection).await.unwrap();
    }

    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// Stops the process where it stands; connections stay open.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub async fn thaw(&self) {
        self.signal("-CONT");
        let client = self.client();
        wait_until("the test's own Redis answers", || async { ping(&client).await }).await;
    }

    fn signal(&self, signal: &str) {
        let id = self.server.as_ref().unwrap().id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    fn client(&self) -> redis::Client {
        redis::Client::open(self.config().url()).unwrap()
    }
}

async fn ping(client: &redis::Client) -> bool {
    let Ok(mut connection) = client.get_multiplexed_async_connection().await else {
        return false;
    };
    redis::cmd("PING").exec_async(&mut connection).await.is_ok()
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
