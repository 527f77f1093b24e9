//! A profile of CPU time, sampled by a timer of the process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pprof::protos::Message as _;
use pprof::{ProfilerGuard, ProfilerGuardBuilder, Report};

/// The timer and its signal belong to the whole process, so there is one profile at a time.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Somebody else's is being taken.
    #[error("another profile of this process is being taken; ask again when it is done")]
    Taken,
    /// The sampler did not start, or what it found could not be written.
    #[error("the profiler does not work here")]
    Profiler(#[source] pprof::Error),
    /// The thread that names the functions ended early.
    #[error("the functions of the profile could not be named")]
    Naming(#[source] tokio::task::JoinError),
}

/// Stacks, and how often each was seen.
pub struct CpuProfile {
    report: Report,
}

impl CpuProfile {
    /// Looks at what the process runs, `hertz` times in each second of CPU time that it spends, for as long as this takes.
    /// Where the future is dropped, sampling ends with it.
    ///
    /// A stack begins with the caller of the function that ran, since that is what its frame tells; a function of a C library
    /// that keeps no frame is counted for who called it.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub async fn take(duration: Duration, hertz: u32) -> Result<Self, ProfileError> {
        let place = Place::take()?;
        // Within what a signal's timer counts by.
        let hertz = i32::try_from(hertz.clamp(1, 1_000)).unwrap_or(1_000);
        let guard = ProfilerGuardBuilder::default().frequency(hertz).build();
        let guard = guard.map_err(ProfileError::Profiler)?;
        tokio::time::sleep(duration).await;
        let naming = tokio::task::spawn_blocking(move || {
            // Until the profiler has stopped, whoever waited for this or not.
            let _place = place;
            name_functions(guard)
        });
        let report = naming.await.map_err(ProfileError::Naming)?;
        report
            .map(|report| Self { report })
            .map_err(ProfileError::Profiler)
    }

    /// In the format of pprof: a `perftools.profiles.Profile`.
    ///
    /// # Errors
    /// [`ProfileError::Profiler`].
    pub fn to_pprof(&self) -> Result<Vec<u8>, ProfileError> {
        let profile = self.report.pprof().map_err(ProfileError::Profiler)?;
        Ok(profile.encode_to_vec())
    }

    /// As a picture: an SVG whose parts tell their names under the mouse.
    ///
    /// # Errors
    /// [`ProfileError::Profiler`], where no stack was seen among others: a process that did nothing has none.
    pub fn to_flamegraph(&self) -> Result<Vec<u8>, ProfileError> {
        let mut picture = Vec::new();
        self.report
            .flamegraph(&mut picture)
            .map_err(ProfileError::Profiler)?;
        Ok(picture)
    }
}

/// Reads the program's debugging information, which takes a second or more.
fn name_functions(guard: ProfilerGuard<'_>) -> Result<Report, pprof::Error> {
    let report = guard.report().build();
    drop(guard);
    report
}

/// Who has it takes the one profile.
struct Place;

impl Place {
    fn take() -> Result<Self, ProfileError> {
        let was_taken = IS_TAKEN.swap(true, Ordering::AcqRel);
        if was_taken {
            Err(ProfileError::Taken)
        } else {
            Ok(Self)
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        IS_TAKEN.store(false, Ordering::Release);
    }
}
