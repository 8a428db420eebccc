//! Bounded queues and deadlines.

use std::path::Path;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use rusqlite::Connection;

use crate::store::StoreError;
use crate::store::sqlite::lane::{Lane, LaneSettings};

fn lane(queue_max: usize, deadline: Duration) -> Lane {
    let settings = LaneSettings { name: "test", path: Path::new("x.db").to_owned(), queue_max, deadline };
    Lane::start(settings, vec![Connection::open_in_memory().unwrap()]).unwrap()
}

/// Begins a call, and tells whether it waits.
async fn waits<F: Future>(mut call: Pin<&mut F>) -> bool {
    std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending())).await
}

const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let lane = lane(1, Duration::from_secs(60));
    let (begun, has_begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let busy = lane.run(move |_| {
        begun.send(()).unwrap();
        released.recv().unwrap();
        Ok(1)
    });
    let mut busy = std::pin::pin!(busy);
    assert!(waits(busy.as_mut()).await);
    has_begun.recv().unwrap();
    let mut waiting = std::pin::pin!(lane.run(|_| Ok(2)));
    assert!(waits(waiting.as_mut()).await);
    assert!(matches!(lane.run(|_| Ok(3)).await, Err(StoreError::Busy(1))));
    release.send(()).unwrap();
    assert_eq!((busy.await.unwrap(), waiting.await.unwrap()), (1, 2));
    assert_eq!(lane.run(|_| Ok(4)).await.unwrap(), 4);
}

#[tokio::test]
async fn a_statement_ends_at_its_deadline() {
    let deadline = Duration::from_millis(30);
    let lane = lane(4, Duration::from_secs(60));
    let endless = lane.run_within(deadline, |c| Ok(c.query_row(ENDLESS, (), |row| row.get::<_, i64>(0))?)).await;
    assert!(matches!(endless, Err(StoreError::Timeout(told)) if told == deadline));
    // The thread is free again.
    assert_eq!(lane.run(|c| Ok(c.query_row("SELECT 7", (), |row| row.get::<_, i64>(0))?)).await.unwrap(), 7);
}

#[tokio::test]
async fn a_job_that_is_too_late_is_not_begun() {
    let lane = lane(4, Duration::from_secs(60));
    let (begun, has_begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let mut busy = std::pin::pin!(lane.run(move |_| {
        begun.send(()).unwrap();
        released.recv().unwrap();
        Ok(())
    }));
    assert!(waits(busy.as_mut()).await);
    has_begun.recv().unwrap();
    let (done, was_done) = mpsc::channel::<()>();
    let late = lane.run_within(Duration::from_millis(1), move |_| {
        done.send(()).unwrap();
        Ok(())
    });
    assert!(matches!(late.await, Err(StoreError::Timeout(_))));
    release.send(()).unwrap();
    busy.await.unwrap();
    // The sender went with the job, unused.
    assert!(was_done.recv().is_err());
}

#[tokio::test]
async fn a_panic_costs_one_job() {
    let lane = lane(4, Duration::from_secs(60));
    let broken = lane.run(|_| -> Result<(), _> { panic!("a defect, on purpose") }).await;
    assert!(matches!(broken, Err(StoreError::Engine(_))));
    assert_eq!(lane.run(|_| Ok(1)).await.unwrap(), 1);
}

#[tokio::test]
async fn dropping_a_lane_does_what_was_queued() {
    let lane = lane(4, Duration::from_secs(60));
    let (done, was_done) = mpsc::channel();
    for n in 0..3 {
        let done = done.clone();
        let mut call = std::pin::pin!(lane.run(move |_| {
            done.send(n).unwrap();
            Ok(())
        }));
        assert!(waits(call.as_mut()).await);
    }
    drop(lane);
    assert_eq!(was_done.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
}
