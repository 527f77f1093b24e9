use std::process::ExitCode;

use depot_service::{shutdown::Shutdown, telemetry};
use uploader::{Application, Config};

fn main() -> ExitCode {
    depot_service::install_crypto_provider();
    depot_service::run_to_the_end(run())
}

async fn run() -> anyhow::Result<()> {
    let config = Config::from_environment()?;
    let telemetry = telemetry::init("uploader", &config.telemetry)?;
    let application = Application::build(config, Shutdown::on_signals()?).await?;
    let outcome = application.run_until_stopped().await;
    telemetry.shutdown().await;
    Ok(outcome?)
}
