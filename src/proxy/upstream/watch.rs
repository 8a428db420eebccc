//! What is done for upstreams beside the workers, once per process: names and checks.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Prepared, health, names};

/// How soon a reload is noticed here.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks after the upstreams in force until told to stop.
pub async fn watch(upstreams: Arc<ArcSwap<Vec<Arc<Prepared>>>>, shutdown: CancellationToken) {
    let mut kept: Vec<(Arc<Prepared>, JoinSet<()>)> = Vec::new();
    let mut seen = None;
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = look.tick() => {}
        }
        let now = upstreams.load_full();
        if seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &now)) {
            continue;
        }
        // Dropping a set ends its tasks.
        kept.retain(|(before, _)| now.iter().any(|n| Arc::ptr_eq(before, n)));
        for prepared in now.iter() {
            if !kept.iter().any(|(before, _)| Arc::ptr_eq(before, prepared)) {
                kept.push((Arc::clone(prepared), look_after(prepared)));
            }
        }
        seen = Some(now);
    }
}

fn look_after(prepared: &Arc<Prepared>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(names::keep(Arc::clone(prepared)));
    if let Some(check) = prepared.settings.health.clone() {
        tasks.spawn(health::keep(Arc::clone(prepared), check));
    }
    tasks
}
