//! A client's connection: it records heads, keeps deadlines, and closes without losing an answer.

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::Limits;
use crate::head::{Awaited, Exchange};

/// The exchange, as the stream and the service share it. Neither holds the lock over an await.
#[derive(Debug, Clone)]
pub(crate) struct SharedExchange(Arc<Mutex<Exchange>>);

impl SharedExchange {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Mutex::new(Exchange::new(limits.max_header_bytes))))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stream that hyper reads from and writes to.
pub(crate) struct Connection {
    tcp: TcpStream,
    exchange: SharedExchange,
    limits: Limits,
    /// What the client owed when `read_deadline` was set.
    awaited: Option<(u64, Awaited)>,
    read_deadline: Deadline,
    write_deadline: Deadline,
    /// Bytes that may still be drained, once the sending side is closed.
    drain: Option<usize>,
}

impl Connection {
    pub(crate) fn new(tcp: TcpStream, exchange: SharedExchange, limits: Limits) -> Self {
        Self {
            tcp,
            exchange,
            limits,
            awaited: None,
            read_deadline: Deadline::default(),
            write_deadline: Deadline::default(),
            drain: None,
        }
    }

    /// Ready once the client has taken too long over what it owes.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let awaited = self.exchange.lock().awaited();
        if awaited != self.awaited {
            self.awaited = awaited;
            match awaited {
                Some((_, Awaited::Request)) => self.read_deadline.set(self.limits.idle_timeout),
                Some((_, Awaited::RestOfHead)) => self.read_deadline.set(self.limits.header_timeout),
                None => self.read_deadline.clear(),
            }
        }
        self.read_deadline.poll(cx)
    }

    fn written(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            self.write_deadline.clear();
            return result;
        }
        if !self.write_deadline.is_set() {
            self.write_deadline.set(self.limits.write_timeout);
        }
        self.write_deadline.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.tcp).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                self.exchange.lock().received(&buf.filled()[before..]);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_patience(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.exchange.lock().writing();
        let result = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.exchange.lock().writing();
        let result = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut left = if let Some(left) = self.drain {
            left
        } else {
            ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
            if !self.exchange.lock().must_drain() {
                return Poll::Ready(Ok(()));
            }
            let timeout = self.limits.drain_timeout;
            self.read_deadline.set(timeout);
            self.limits.max_drain
        };
        let mut scratch = [0; 16_384];
        while left > 0 {
            self.drain = Some(left);
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.tcp).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    left = left.saturating_sub(buf.filled().len());
                }
                Poll::Ready(_) => break,
                Poll::Pending => return self.read_deadline.poll(cx).map(Ok),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A deadline that costs a timer only while it is set.
#[derive(Default)]
pub(crate) struct Deadline {
    timer: Option<Pin<Box<Sleep>>>,
    set: bool,
}

impl Deadline {
    pub(crate) fn set(&mut self, after: Duration) {
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(Instant::now() + after),
            None => self.timer = Some(Box::pin(sleep(after))),
        }
        self.set = true;
    }

    pub(crate) fn clear(&mut self) {
        self.set = false;
    }

    pub(crate) fn is_set(&self) -> bool {
        self.set
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.timer {
            Some(timer) if self.set => pin!(timer).poll(cx),
            Some(_) | None => Poll::Pending,
        }
    }
}
