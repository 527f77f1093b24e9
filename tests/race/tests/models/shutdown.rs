use std::sync::atomic::Ordering::Relaxed;

use depot_race::{
    block_on, check,
    sync::{Arc, atomic::AtomicUsize},
    thread,
};

#[path = "../../../../crates/service/src/shutdown/roster.rs"]
mod source;

use source::Roster;

#[test]
fn a_drain_waits_for_every_task_and_sees_what_they_did() {
    check(|| {
        let (tasks, done) = (Roster::default(), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                // Entered by who spawns.
                let (entry, done) = (tasks.enter("task"), Arc::clone(&done));
                thread::spawn(move || {
                    // Its failure, for instance. That it is seen is the roster's doing.
                    done.fetch_add(1, Relaxed);
                    drop(entry);
                })
            })
            .collect();
        block_on(tasks.empty());
        assert_eq!(done.load(Relaxed), 2, "the drain has ended before its tasks");
        assert!(tasks.present().is_empty());
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_task_that_is_spawned_by_a_task_is_waited_for_too() {
    check(|| {
        let (tasks, done) = (Roster::default(), Arc::new(AtomicUsize::new(0)));
        let entry = tasks.enter("first");
        let first = {
            let (tasks, done) = (tasks.clone(), Arc::clone(&done));
            thread::spawn(move || {
                let second = tasks.enter("second");
                drop(entry);
                done.fetch_add(1, Relaxed);
                drop(second);
            })
        };
        block_on(tasks.empty());
        assert_eq!(done.load(Relaxed), 1);
        first.join().unwrap();
    });
}

#[test]
fn at_the_deadline_those_that_are_named_are_those_that_have_not_ended() {
    check(|| {
        let tasks = Roster::default();
        let (slow, quick) = (tasks.enter("slow"), tasks.enter("quick"));
        let ends = thread::spawn(move || drop(quick));
        let unfinished = tasks.present();
        assert!(
            unfinished == ["slow"] || unfinished == ["slow", "quick"],
            "{unfinished:?}"
        );
        ends.join().unwrap();
        assert_eq!(tasks.present(), ["slow"]);
        drop(slow);
        block_on(tasks.empty());
    });
}
