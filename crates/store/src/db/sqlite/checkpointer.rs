//! Folds the write-ahead log into the file beside the writer, so that nobody who waits for a commit waits for that.
//!
//! The writer's own checkpoint remains, for a log that grew long all the same: this one never sees its end while the
//! writer goes on, and only a log that was folded to its end begins anew. What is left for the writer is then little.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::Connection;

/// The writer's side: says that there is work.
pub(crate) struct Checkpoints {
    commits: u32,
    wake: SyncSender<()>,
}

/// The thread's side.
pub(crate) struct Woken(Receiver<()>);

/// The two ends.
pub(crate) fn checkpoints() -> (Checkpoints, Woken) {
    let (wake, woken) = sync_channel(1);
    (Checkpoints { commits: 0, wake }, Woken(woken))
}

impl Checkpoints {
    /// A group was committed.
    pub(crate) fn committed(&mut self) {
        self.commits = self.commits.wrapping_add(1);
        if self.commits.is_multiple_of(EVERY) {
            // One that is under way, or waits already, does this work too.
            let _ = self.wake.try_send(());
        }
    }
}

/// The thread: until the writer is gone.
pub(crate) fn run(connection: Connection, woken: Woken) {
    while woken.0.recv().is_ok() {
        // It takes no lock that the writer waits for; what it cannot do now is done the next time.
        let _ = connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)");
    }
}

/// Some hundred pages: enough that pages which change again and again are written once.
const EVERY: u32 = 64;
