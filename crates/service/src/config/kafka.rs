//! `KAFKA_BROKERS`, `TOPIC_PREFIX`, `TOPIC_PARTITIONS`, `KAFKA_SECURITY_PROTOCOL`, `KAFKA_SASL_MECHANISM`, `KAFKA_USERNAME`,
//! `KAFKA_PASSWORD`, `KAFKA_CA_FILE`, `KAFKA_CERT_FILE`, `KAFKA_KEY_FILE`.

use secrecy::{ExposeSecret as _, SecretString};

use super::{AppEnv, ConfigReader, TlsFiles};

/// Which cluster, which topics, and how to get in.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// The first part of every topic and group name; `depot` by default.
    pub topic_prefix: String,
    /// How many partitions each topic has, where it is not as many as are declared.
    pub topic_partitions: Option<i32>,
    /// How connections are secured.
    pub security: KafkaSecurity,
}

/// How connections to the brokers are secured.
#[derive(Debug, Clone)]
pub struct KafkaSecurity {
    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`.
    pub protocol: String,
    /// Mechanism, user and password; with the `sasl_` protocols only.
    pub sasl: Option<(String, String, SecretString)>,
    /// Whom to trust, and who this process is; with `ssl` and `sasl_ssl` only.
    pub tls: TlsFiles,
}

impl KafkaConfig {
    /// Reads the group.
    pub fn read(reader: &mut ConfigReader) -> Self {
        let brokers = reader.required_text("KAFKA_BROKERS", "localhost:9092");
        let broken = brokers.split(',').find(|broker| {
            !broker
                .trim()
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        });
        if let Some(broker) = broken.filter(|_| !brokers.is_empty()) {
            let problem = format!("`{broker}` is not host:port");
            reader.fault(
                "KAFKA_BROKERS",
                problem,
                "set host:port, several separated by commas",
            );
        }
        let topic_prefix = reader.text("TOPIC_PREFIX", "depot");
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !topic_prefix.chars().all(legal) || topic_prefix.len() > 100 {
            reader.fault(
                "TOPIC_PREFIX",
                "cannot be used",
                "set lower-case letters, digits, dots and hyphens",
            );
        }
        let is_set = reader.optional_text("TOPIC_PARTITIONS").is_some();
        let partitions = reader.number("TOPIC_PARTITIONS", 1, 1..=10_000);
        Self {
            brokers,
            topic_prefix,
            topic_partitions: is_set.then_some(partitions),
            security: KafkaSecurity::read(reader),
        }
    }

    /// A plaintext cluster: for tests.
    #[must_use]
    pub fn plaintext(brokers: &str, topic_prefix: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            topic_prefix: topic_prefix.to_owned(),
            topic_partitions: None,
            security: KafkaSecurity {
                protocol: "plaintext".to_owned(),
                sasl: None,
                tls: TlsFiles::default(),
            },
        }
    }

    /// The settings that every librdkafka client of this cluster starts from. Contains the password: don't print it.
    #[must_use]
    pub fn client_settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("bootstrap.servers", self.brokers.clone()),
            ("security.protocol", self.security.protocol.clone()),
            // Figures of the client for whoever runs the brokers (KIP-714): what is measured is in the metrics here, and a
            // client that sends them waits for a second when it is closed.
            ("enable.metrics.push", "false".to_owned()),
        ];
        if let Some((mechanism, user, password)) = &self.security.sasl {
            settings.push(("sasl.mechanism", mechanism.clone()));
            settings.push(("sasl.username", user.clone()));
            settings.push(("sasl.password", password.expose_secret().to_owned()));
        }
        let tls = &self.security.tls;
        let path = |path: &std::path::Path| path.display().to_string();
        settings.extend(tls.ca_file.as_deref().map(|file| ("ssl.ca.location", path(file))));
        if let Some((certificate, key)) = &tls.identity {
            settings.push(("ssl.certificate.location", path(certificate)));
            settings.push(("ssl.key.location", path(key)));
        }
        if self.security.protocol.ends_with("ssl") {
            // librdkafka's default, said here because all of it stands on it: the certificate must name the host.
            settings.push(("ssl.endpoint.identification.algorithm", "https".to_owned()));
        }
        settings
    }
}

impl KafkaSecurity {
    fn read(reader: &mut ConfigReader) -> Self {
        let protocols = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
        let protocol = reader.one_of("KAFKA_SECURITY_PROTOCOL", &protocols);
        let sasl = protocol.starts_with("sasl_").then(|| {
            let mechanisms = ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"];
            (
                reader.one_of("KAFKA_SASL_MECHANISM", &mechanisms).to_owned(),
                reader.required_text("KAFKA_USERNAME", "depot"),
                reader.secret("KAFKA_PASSWORD", 1),
            )
        });
        let ca_file = reader.optional_pem_file("KAFKA_CA_FILE");
        let certificate = reader.optional_pem_file("KAFKA_CERT_FILE");
        let key = reader.optional_pem_file("KAFKA_KEY_FILE");
        let names = ("KAFKA_CERT_FILE", "KAFKA_KEY_FILE");
        let tls = TlsFiles::new(reader, ca_file, (names.0, certificate), (names.1, key));
        if !tls.is_empty() && !protocol.ends_with("ssl") {
            reader.fault(
                "KAFKA_SECURITY_PROTOCOL",
                format!("is {protocol}, though KAFKA_CA_FILE or KAFKA_CERT_FILE is set"),
                "set ssl or sasl_ssl",
            );
        }
        let bare =
            protocol == "sasl_plaintext" && sasl.as_ref().is_some_and(|(mechanism, ..)| mechanism == "PLAIN");
        if bare && reader.app_env() == AppEnv::Production {
            reader.fault(
                "KAFKA_SASL_MECHANISM",
                "sends the password as it is, without TLS",
                "set KAFKA_SECURITY_PROTOCOL=sasl_ssl, or a SCRAM mechanism",
            );
        }
        Self {
            protocol: protocol.to_owned(),
            sasl,
            tls,
        }
    }
}
