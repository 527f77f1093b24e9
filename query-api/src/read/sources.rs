use metrics::counter;

use super::{READS_TOTAL, ReadError, Views};

/// Where the views are: in the primary, and in a replica of it that may lag, where there is one.
///
/// What may be as old as the replica asks [`anywhere`](Self::anywhere); what was asked for in a version, and was not found
/// in it, asks the [`primary`](Self::primary), and so does what compares positions of the log with those of the views.
#[derive(Debug, Clone)]
pub struct Sources {
    primary: Views,
    replica: Option<Views>,
}

impl Sources {
    pub fn new(primary: Views, replica: Option<Views>) -> Self {
        Self { primary, replica }
    }

    /// Where every committed batch of the projector is seen.
    pub fn primary(&self) -> &Views {
        &self.primary
    }

    /// The replica's answer; the primary's where there is no replica, or it is away.
    ///
    /// # Errors
    /// The primary's, and the replica's if as many are under way there as are let in: the primary is not for those.
    pub async fn anywhere<T, F>(&self, ask: impl Fn(Views) -> F) -> Result<T, ReadError>
    where
        F: Future<Output = Result<T, ReadError>>,
    {
        if let Some(replica) = &self.replica {
            match ask(replica.clone()).await {
                Ok(answer) => {
                    counter!(READS_TOTAL, "layer" => "replica", "outcome" => "answer").increment(1);
                    return Ok(answer);
                }
                Err(error) if error.is_of_the_server() => {
                    counter!(READS_TOTAL, "layer" => "replica", "outcome" => "error").increment(1);
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "the replica does not answer, and the primary is asked"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        ask(self.primary.clone()).await
    }
}
