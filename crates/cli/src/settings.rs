use depot_service::config::{ConfigErrors, ConfigReader, Environment, KafkaConfig};
use rdkafka::ClientConfig;

/// Reads a group of settings; `DEPOT_NAME` wins over `NAME`. All faults are reported at once.
pub fn read<T>(group: impl FnOnce(&mut ConfigReader) -> T) -> Result<T, ConfigErrors> {
    let mut reader = ConfigReader::new(Environment::for_service("DEPOT"));
    let values = group(&mut reader);
    reader.finish()?;
    Ok(values)
}

/// What every Kafka client of the tool starts from.
pub fn kafka_client(kafka: &KafkaConfig) -> ClientConfig {
    let settings = kafka.client_settings();
    settings
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
