//! The two runtimes: one whose clock jumps, one whose clock runs. Both have a single thread.

use std::future::Future;
use std::io;

/// A runtime for one run. Single-threaded, so that what is ready runs in one order.
#[derive(Debug)]
pub struct Runtime {
    inner: tokio::runtime::Runtime,
    is_virtual: bool,
}

impl Runtime {
    /// Virtual time: started paused, the clock jumps to the next timer whenever nothing is ready.
    /// Nothing inside may wait for a thread, a socket or a child process.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn virtual_time() -> io::Result<Self> {
        let inner = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        Ok(Self { inner, is_virtual: true })
    }

    /// Real time, with sockets.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn real_time() -> io::Result<Self> {
        let inner = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { inner, is_virtual: false })
    }

    /// Whether the clock jumps.
    #[must_use]
    pub const fn is_virtual(&self) -> bool {
        self.is_virtual
    }

    /// Runs `work` to its end.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.inner.block_on(work)
    }
}
