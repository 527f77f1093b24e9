use std::process::ExitCode;

use anyhow::Context as _;
use command_api::{
    application::{Application, NAME},
    config::Config,
};
use depot_service::{shutdown::Shutdown, telemetry};

fn main() -> ExitCode {
    depot_service::install_crypto_provider();
    depot_service::run_to_the_end(run())
}

async fn run() -> anyhow::Result<()> {
    let config = Config::from_environment()?;
    let telemetry = telemetry::init(NAME, &config.telemetry)?;
    let shutdown = Shutdown::on_signals().context("handle signals")?;
    let application = Application::build(config, shutdown).await?;
    let outcome = application.run_until_stopped().await;
    telemetry.shutdown().await;
    Ok(outcome?)
}
