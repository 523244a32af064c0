//! Dynoxide's own HTTP server, on threads of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use dynoxide::Database;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Error, random};

/// How long running requests may take to end after a stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;
/// Requests take turns at the database; what can overlap is reading and writing their JSON.
const THREADS: usize = 2;

/// A running server. Dropping it asks it to stop.
pub(super) struct Server {
    address: SocketAddr,
    stop: DropGuard,
    stopped: CancellationToken,
}

impl Server {
    /// Starts a server on a new thread and returns once it listens.
    pub(super) fn start(database: Database) -> Result<Self, Error> {
        let host = random_loopback()?;
        let (stop, stopped) = (CancellationToken::new(), CancellationToken::new());
        let (listening, listens) = mpsc::sync_channel(1);
        let (asked_to_stop, ended) = (stop.clone(), stopped.clone().drop_guard());
        thread::Builder::new()
            .name("dynamodb".to_owned())
            .spawn(move || {
                let _ended = ended;
                // The runtime must begin and end here: one that is dropped within another panics.
                let (runtime, listener) = match prepare(host) {
                    Ok(prepared) => prepared,
                    Err(error) => return drop(listening.send(Err(error))),
                };
                if listening.send(listener.local_addr()).is_ok() {
                    runtime.block_on(run(listener, database, asked_to_stop));
                }
                runtime.shutdown_timeout(STOP_TIMEOUT);
            })
            .map_err(Error::Server)?;
        let ended_early = || io::Error::other("its thread ended");
        let address = listens.recv().unwrap_or_else(|_| Err(ended_early())).map_err(Error::Server)?;
        Ok(Self { address, stop: stop.drop_guard(), stopped })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks it to stop and waits until it has.
    pub(super) async fn stop(&self) {
        self.stop.token().cancel();
        self.stopped.cancelled().await;
    }
}

async fn run(listener: TcpListener, database: Database, stop: CancellationToken) {
    let serving = dynoxide::server::serve_with_shutdown(listener, database, stop.clone().cancelled_owned());
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_TIMEOUT).await;
    };
    tokio::select! {
        // A failure shows as requests that get no answer, with the cause in theirs.
        _ = serving => {}
        () = overdue => {}
    }
}

fn prepare(host: Ipv4Addr) -> io::Result<(Runtime, TcpListener)> {
    let runtime =
        Builder::new_multi_thread().worker_threads(THREADS).thread_name("dynamodb").enable_all().build()?;
    let listener = {
        let _context = runtime.enter();
        // Not every system has all of the loopback network; every one has its first address.
        listen(host).or_else(|_| listen(Ipv4Addr::LOCALHOST))?
    };
    Ok((runtime, listener))
}

/// Listens on any free port. Accepted connections inherit the listener's option, which dynoxide does not set;
/// without it, an answer in several packets waits for acknowledgements.
fn listen(host: Ipv4Addr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_nodelay(true)?;
    socket.bind((host, 0).into())?;
    socket.listen(BACKLOG)
}

/// The server has no check of its own, so its address is one that cannot be found by trying: a web page that
/// tries ports has 28,000 on 127.0.0.1 and 16 million times as many here.
fn random_loopback() -> Result<Ipv4Addr, Error> {
    let [second, third, fourth] = random::bytes()?;
    // Neither the network's address nor its broadcast address.
    Ok(Ipv4Addr::new(127, second, third, fourth.clamp(1, 254)))
}
