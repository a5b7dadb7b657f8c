//! Tells requests that their pushes are on the disk.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::yield_now;

use crate::receive::committer::replies::{Replies, TellReplies};

/// The replies of commits, for the threads of a server.
pub(crate) struct CommittedReplies(UnboundedReceiver<Replies>);

/// Passes the replies of a committer to a server.
pub(crate) fn channel() -> (TellReplies, CommittedReplies) {
    let (sender, receiver) = unbounded_channel();
    let tell = move |replies: Replies| {
        // Without a server, its requests are gone.
        if let Err(back) = sender.send(replies) {
            drop(back.0.tell());
        }
    };
    (Arc::new(tell), CommittedReplies(receiver))
}

/// Tells the requests of each commit, until the committer ends.
pub(crate) async fn tell(mut committed: CommittedReplies) {
    while let Some(replies) = committed.0.recv().await {
        let gathering = replies.tell();
        // Their tasks go first, then those of all sockets that have a request by now: the next
        // commit gets these pushes. If there are none, this takes no time.
        yield_now().await;
        drop(gathering);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Mutex, mpsc};
    use std::thread;

    use tempfile::TempDir;

    use super::*;
    use crate::os::clock::Clock;
    use crate::os::mutex::lock;
    use crate::receive::committer::{Committer, CommitterOptions};
    use crate::receive::directory::ReceiveDirectory;
    use crate::receive::inbox::{CommitFailure, Inbox};
    use crate::receive::push::{Push, PushContent};
    use crate::receive::store::Store;
    use crate::time::Timestamp;

    /// A committer, and the number of pushes of each of its commits.
    struct Site {
        committer: Committer,
        commits: Arc<Mutex<Vec<usize>>>,
        _dir: TempDir,
    }

    impl Site {
        fn new(tell: TellReplies) -> Site {
            let dir = tempfile::tempdir().unwrap();
            let directory = ReceiveDirectory::new(dir.path());
            let commits = Arc::new(Mutex::new(Vec::new()));
            let counted = Arc::clone(&commits);
            let options = CommitterOptions {
                instance: "i".to_owned(),
                queue_bytes: 1 << 20,
                clock: Clock::system(),
                tell,
                observe: Arc::new(move |count, _| lock(&counted).push(count)),
                broken: Arc::new(|_| ()),
            };
            let store = Store::open_checked(&directory).unwrap();
            Site {
                committer: Committer::start(store, &directory, options).unwrap(),
                commits,
                _dir: dir,
            }
        }

        fn push(&self) -> mpsc::Receiver<Result<(), CommitFailure>> {
            let push = Push {
                received_at: Timestamp::from_millis(0),
                path: "g/a".to_owned(),
                client: "c".to_owned(),
                correlation_id: None,
                orn: None,
                content: PushContent::Json(Default::default()),
            };
            let (tell, told) = mpsc::channel();
            let done = Box::new(move |result| tell.send(result).unwrap());
            assert!(self.committer.submit(push, done).is_ok());
            told
        }

        /// The commits with pushes; the last one notes that the committer ended.
        fn commits(&self) -> Vec<usize> {
            self.committer.finish();
            let commits = lock(&self.commits);
            commits.iter().copied().filter(|count| *count > 0).collect()
        }
    }

    #[test]
    fn pushes_gather_for_the_next_commit_while_the_last_one_is_told() {
        let (pass, passed) = mpsc::channel();
        let is_first = AtomicBool::new(true);
        let site = Site::new(Arc::new(move |replies: Replies| {
            match is_first.swap(false, Ordering::SeqCst) {
                true => pass.send(replies).unwrap(),
                false => drop(replies.tell()),
            }
        }));
        let first = site.push();
        let replies = passed.recv().unwrap();
        let push = |_| {
            thread::yield_now();
            site.push()
        };
        let later: Vec<_> = (0..20).map(push).collect();
        assert!(first.try_recv().is_err());
        let gathering = replies.tell();
        assert_eq!(first.recv().unwrap(), Ok(()));
        drop(gathering);
        assert!(later.iter().all(|told| told.recv().unwrap().is_ok()));
        assert_eq!(site.commits(), [1, 20]);
    }

    #[test]
    fn a_server_that_tells_nothing_does_not_keep_the_last_pushes_from_the_disk() {
        let (pass, passed) = mpsc::channel();
        let site = Site::new(Arc::new(move |replies| pass.send(replies).unwrap()));
        site.push();
        let _kept = passed.recv().unwrap();
        site.push();
        assert_eq!(site.commits(), [1, 1]);
    }

    #[test]
    fn a_server_tells_its_requests_and_so_does_the_committer_after_its_end() {
        let (tell, committed) = channel();
        let site = Site::new(tell);
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        runtime.spawn(super::tell(committed));
        for _ in 0..3 {
            assert_eq!(site.push().recv().unwrap(), Ok(()));
        }
        drop(runtime);
        for _ in 0..3 {
            assert_eq!(site.push().recv().unwrap(), Ok(()));
        }
        assert_eq!(site.commits(), [1; 6]);
    }
}
