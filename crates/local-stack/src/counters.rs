//! Puts what the gateway counts on disk, soon and again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use local_gateway::{KeyStore, LiveStack};

use crate::output::{Notice, Notices};

/// How often counts are put on disk. A crash of the process loses those of this time and of two writes: within
/// 100 ms, as long as a write takes less than 37 ms.
const EVERY: Duration = Duration::from_millis(25);

/// Keeps counters on a thread of its own, so that no busy task delays it.
pub(crate) struct Keeper {
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(crate) fn start(
        keys: Arc<KeyStore>,
        stack: Arc<LiveStack>,
        notices: Notices,
    ) -> std::io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stopping);
        let thread = std::thread::Builder::new().name("counters".to_owned()).spawn(move || {
            let mut complaint = String::new();
            loop {
                // Asked before the last write, so that nothing counted before the stop is lost.
                let last = stopped.load(Ordering::Acquire);
                let begin = Instant::now();
                match keys.keep_counters(&stack.current().plans) {
                    Ok(()) => complaint.clear(),
                    Err(error) => {
                        let said = format!("what was counted cannot be kept: {error}");
                        if said != complaint {
                            notices.send(Notice::Warning(said.clone()));
                            complaint = said;
                        }
                    }
                }
                if last {
                    break;
                }
                std::thread::park_timeout(EVERY.saturating_sub(begin.elapsed()));
            }
        })?;
        Ok(Self { stopping, thread: Some(thread) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It ends after one more write.
            let _ = thread.join();
        }
    }
}
