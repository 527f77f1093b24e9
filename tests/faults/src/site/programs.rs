use std::path::PathBuf;

use super::instance::{Program, Service};

/// Where the programs lie that are put to the test.
#[derive(Debug, Clone)]
pub struct Programs {
    pub folder: PathBuf,
    /// One program for all services, with the break that it has.
    pub sabotage: Option<(PathBuf, String)>,
}

impl Programs {
    /// What a service is started from.
    pub fn of(&self, service: Service) -> Program {
        match &self.sabotage {
            Some((path, _)) => Program {
                path: path.clone(),
                arguments: vec![service.name().to_owned()],
            },
            None => Program {
                path: self.folder.join(service.name()),
                arguments: Vec::new(),
            },
        }
    }
}
