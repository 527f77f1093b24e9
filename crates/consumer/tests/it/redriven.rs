//! Dead letters that come back by their group's redrive topic.

use std::sync::{Arc, Mutex};

use depot_consumer::{Failure, Origin, Record, header};

use crate::{
    log::Log,
    running::{Running, until},
    texts::{Handled, Texts},
};

/// The letters' origins, reasons and attempts, in the order of the log.
fn summary(letters: &[Record]) -> Vec<(i64, String, String)> {
    let text = |letter: &Record, name: &str| letter.header_str(name).unwrap_or_default().to_owned();
    let offset = |letter: &Record| {
        letter
            .header(header::ORIGINAL_OFFSET)
            .unwrap()
            .try_into()
            .unwrap()
    };
    letters
        .iter()
        .map(|letter| {
            let (reason, attempts) = (text(letter, header::REASON_CLASS), text(letter, header::ATTEMPTS));
            (i64::from_be_bytes(offset(letter)), reason, attempts)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_that_comes_back_is_handled_as_from_its_origin_and_fails_as_the_same_letter() {
    let log = Log::create(2).await.unwrap();
    let mut settings = log.settings();
    settings.redrive_topic = Some(log.redrive_topic());
    // Two that the handler refuses, and one that nothing can decode; what follows goes on.
    for value in ["mended", "refused", "bad"] {
        log.put(1, Some("k"), value.as_bytes()).await;
    }
    log.put(1, Some("k"), b"good").await;
    let refuse_all = Texts::new(&Handled::default(), |record, _| async move {
        match record.payload.as_deref() {
            Some(b"good") => Ok(()),
            _ => Err(Failure::poison("refused", "not yet")),
        }
    });
    let running = Running::keyed(settings.clone(), refuse_all);
    until("all is passed", async || log.committed(1).await == Some(4)).await;
    running.stop().await;
    let letters = log.letters(1).await;
    assert_eq!(letters.len(), 3);

    // They come back, oldest first; one of them twice, as by a crash of whoever brings them.
    for letter in [&letters[0], &letters[0], &letters[1], &letters[2]] {
        log.bring_back(letter).await;
    }
    let (handled, seen) = (Handled::default(), Arc::new(Mutex::new(Vec::new())));
    let notes = Arc::clone(&seen);
    let mended = Texts::new(&handled, move |record, _| {
        let from = (record.source_topic().to_owned(), record.redriven_from.clone());
        notes.lock().unwrap().push(from);
        async move {
            match record.payload.as_deref() {
                Some(b"mended") => Ok(()),
                _ => Err(Failure::poison("refused", "still not")),
            }
        }
    });
    let running = Running::keyed(settings, mended);
    until("all that came back is passed", async || {
        log.committed_of(&log.redrive_topic(), 1).await == Some(4)
    })
    .await;
    running.stop().await;
    assert_eq!(handled.values(1, Some("k")), ["mended", "mended"]);
    let origin = |offset| {
        let topic = log.topic();
        let origin = Origin {
            topic: topic.clone(),
            partition: 1,
            offset,
        };
        (topic, Some(origin))
    };
    assert_eq!(*seen.lock().unwrap(), [origin(0), origin(0), origin(1)]);

    let twice = |offset, reason: &str| (offset, reason.to_owned(), "2".to_owned());
    assert_eq!(
        summary(&log.letters(1).await[3..]),
        [twice(1, "refused"), twice(2, "bad")]
    );
    assert_eq!(
        log.committed(1).await,
        Some(4),
        "the source's offset is as it was"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_letter_of_the_group_blocks_nothing_and_is_not_lost() {
    let log = Log::create(1).await.unwrap();
    let mut settings = log.settings();
    settings.redrive_topic = Some(log.redrive_topic());
    let of_another = |value: &str, name: &str, text: &str| Record {
        key: Some(b"k".to_vec()),
        payload: Some(value.as_bytes().to_vec()),
        headers: vec![
            (header::ORIGINAL_TOPIC.to_owned(), Some(log.topic().into_bytes())),
            (
                header::ORIGINAL_PARTITION.to_owned(),
                Some(0_i32.to_be_bytes().to_vec()),
            ),
            (
                header::ORIGINAL_OFFSET.to_owned(),
                Some(9_i64.to_be_bytes().to_vec()),
            ),
            (
                header::ORIGINAL_CONSUMER_GROUP.to_owned(),
                Some(log.group().into_bytes()),
            ),
            // The last of a name counts.
            (name.to_owned(), Some(text.as_bytes().to_vec())),
        ],
        ..Record::default()
    };
    log.bring_back(&of_another("one", header::ORIGINAL_CONSUMER_GROUP, "another"))
        .await;
    log.bring_back(&of_another("two", header::ORIGINAL_TOPIC, "another"))
        .await;
    log.bring_back(&Record {
        payload: Some(b"three".to_vec()),
        ..Record::default()
    })
    .await;
    let topic = log.topic();
    let strict = Texts::new(&Handled::default(), move |record, _| {
        let known = record.source_topic() == topic;
        async move {
            if known {
                return Ok(());
            }
            Err(Failure::poison("wrong_topic", "no topic of this group"))
        }
    });
    let running = Running::keyed(settings, strict);
    until("all is passed", async || {
        log.committed_of(&log.redrive_topic(), 0).await == Some(3)
    })
    .await;
    running.stop().await;
    let values: Vec<_> = log
        .letters(0)
        .await
        .into_iter()
        .map(|letter| letter.payload.unwrap())
        .collect();
    assert_eq!(
        values.len(),
        3,
        "beside the letters of the group's source: {values:?}"
    );
}
