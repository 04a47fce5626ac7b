//! Futures that are ready at once, on this thread: the most favourable way to run an async library.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use tokio::runtime::{Builder, Runtime};

/// Polls once, with a waker that wakes nobody.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the operation is ready at once"),
    }
}

/// A runtime whose timers run on the thread that enters it, for as long as the process lives.
pub(crate) fn runtime() -> &'static Runtime {
    let runtime = Builder::new_current_thread().enable_time().build();
    Box::leak(Box::new(runtime.expect("nothing is missing for a runtime")))
}

/// A runtime with a worker thread of its own.
pub(crate) fn multi_threaded() -> &'static Runtime {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build();
    Box::leak(Box::new(runtime.expect("nothing is missing for a runtime")))
}
