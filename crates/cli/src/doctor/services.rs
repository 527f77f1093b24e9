//! The instances of the services: whether they answer, whether they take work, and of which versions they are.

use std::collections::BTreeMap;

use super::{
    answer::Answer,
    finding::Kind,
    instances::{Instance, State},
};

const THIS_VERSION: &str = env!("CARGO_PKG_VERSION");

pub fn look(instances: &[Instance]) -> Answer {
    // Each has an address where nobody sets one.
    if instances.is_empty() {
        return Answer::unseen("the addresses of the instances cannot be used");
    }
    let mut answer = Answer::default();
    for instance in instances {
        let Instance { service, url, .. } = instance;
        match &instance.state {
            State::Away(why) => answer.fault(
                Kind::ServiceAway,
                format!("{service} does not answer at {url}: {why}"),
                format!(
                    "start it, and if it ends by itself look at its last lines, which say why; if it is elsewhere, set \
                     {}_ADMIN_URLS",
                    service.to_uppercase().replace('-', "_")
                ),
            ),
            State::Answers(report) if report.draining => answer.fault(
                Kind::ServiceNotReady,
                format!("{service} at {url} is ending, and takes no more work"),
                "start another one, if none takes its place by itself",
            ),
            State::Answers(report) if !report.ready => {
                let reasons = report.waiting_for.iter();
                let reasons: Vec<_> = reasons
                    .map(|part| format!("{}: {}", part.name, part.reason))
                    .collect();
                answer.fault(
                    Kind::ServiceNotReady,
                    format!("{service} at {url} is not ready, and waits for {}", reasons.join("; ")),
                    "mend what it waits for, it goes on by itself; docs/operations.md, Probes, says what each part is",
                );
            }
            State::Answers(_) => {}
        }
    }
    answer.add(versions(instances));
    let ready = instances.iter().filter(|instance| is_ready(instance)).count();
    answer
        .seen
        .push(format!("{ready} of {} instances are ready", instances.len()));
    answer
}

fn is_ready(instance: &Instance) -> bool {
    matches!(&instance.state, State::Answers(report) if report.ready)
}

/// Each version with who is of it. This tool is one of them: it looks at what it knows.
fn versions(instances: &[Instance]) -> Answer {
    let mut answer = Answer::default();
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    found.insert(THIS_VERSION, vec!["this tool".to_owned()]);
    for instance in instances {
        if let Some(version) = instance.version() {
            let who = format!("{} at {}", instance.service, instance.url);
            found.entry(version).or_default().push(who);
        }
    }
    if found.len() > 1 {
        let all = found
            .iter()
            .map(|(version, who)| format!("{version}: {}", who.join(", ")));
        answer.warning(
            Kind::VersionsDiffer,
            format!("several versions are there: {}", all.collect::<Vec<_>>().join("; ")),
            "bring the rollout to its end or take it back (docs/deploy-kubernetes.md); use the tool of the version that runs",
        );
    } else {
        answer.seen.push(format!("version {THIS_VERSION}"));
    }
    answer
}
