//! `depot-sabotaged SERVICE`: that service, with the break that `DEPOT_SABOTAGE` names.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use depot_service::{shutdown::Shutdown, telemetry};

fn main() -> ExitCode {
    depot_service::install_crypto_provider();
    depot_service::run_to_the_end(run())
}

async fn run() -> Result<()> {
    let service = std::env::args().nth(1).context("which service?")?;
    let shutdown = Shutdown::on_signals()?;
    match service.as_str() {
        "command-api" => {
            let config = command_api::config::Config::from_environment()?;
            let telemetry = telemetry::init("command-api", &config.telemetry)?;
            let application = command_api::application::Application::build(config, shutdown).await?;
            let outcome = application.run_until_stopped().await;
            telemetry.shutdown().await;
            Ok(outcome?)
        }
        "query-api" => {
            let config = query_api::Config::from_environment()?;
            let telemetry = telemetry::init("query-api", &config.telemetry)?;
            let outcome = query_api::Application::build(config, shutdown)
                .await?
                .run_until_stopped()
                .await;
            telemetry.shutdown().await;
            Ok(outcome?)
        }
        "projector" => {
            let config = projector::Config::from_environment()?;
            let telemetry = telemetry::init("projector", &config.telemetry)?;
            let outcome = projector::Application::build(config, shutdown)
                .await?
                .run_until_stopped()
                .await;
            telemetry.shutdown().await;
            Ok(outcome?)
        }
        "uploader" => {
            let config = uploader::Config::from_environment()?;
            let telemetry = telemetry::init("uploader", &config.telemetry)?;
            let outcome = uploader::Application::build(config, shutdown)
                .await?
                .run_until_stopped()
                .await;
            telemetry.shutdown().await;
            Ok(outcome?)
        }
        other => bail!("{other} is no service"),
    }
}
